import CHDF5
import COpenMPI
import Diagnostics

extension HDF5File {
    /// Opens a file that exists for writing by all ranks of an MPI communicator; opening and closing are collective.
    ///
    /// - Throws: `Failure.failed` where the library was built without MPI, or the file cannot be opened.
    package static func openTogether(_ path: String, _ communicator: MPI_Comm) throws -> HDF5File {
        let access = fileAccess()
        let status = HDF5Library.locked { H5Pset_fapl_mpio(access, communicator, kairos_mpi_info_null()) }
        guard status >= 0 else {
            throw Failure.failed(
                "this HDF5 library cannot write with several ranks: \(HDF5Library.locked { HDF5Library.lastError() })", at: .file(path),
                advice: "use an HDF5 library built for MPI (Debian: libhdf5-openmpi-dev), or start one process")
        }
        return try open(path, flags: kairos_h5f_acc_rdwr(), access: access, isWritable: true)
    }
}

extension HDF5Matrix {
    /// Writes rows, given as they are stored, by all ranks that have the file open together (`HDF5File.openTogether`). Collective: every rank must
    /// call it, a rank without rows with an empty range.
    ///
    /// - Throws: `Failure.failed` when this rank's rows could not be written.
    package func writeTogether(_ rows: Range<Int>, _ values: UnsafeRawPointer) throws {
        try HDF5Library.locked {
            let transfer = H5Pcreate(kairos_h5p_dataset_transfer())
            defer { H5Pclose(transfer) }
            _ = H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE)
            try write(rows, values, transfer: transfer)
        }
    }
}
