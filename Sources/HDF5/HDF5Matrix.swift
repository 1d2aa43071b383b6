import CHDF5
import Diagnostics
import Foundation

/// A matrix [rows, columns], contiguous but in benchmarks, of float32 or float16 in a file, kept open for reading or writing ranges of rows.
package final class HDF5Matrix {
    package let file: HDF5File
    package let name: String
    package let rows: Int
    package let columns: Int
    package let storage: HDF5FloatStorage
    private var dataset: hid_t
    private let type: hid_t
    /// The first value's place in the file; nil for chunks and before anything is allocated.
    package let fileOffset: Int?
    /// For reads past the library; nil where they are not possible.
    private(set) var descriptor: Int32?
    /// The row after those that were read last, over all threads.
    let lastRead = LastRead()

    /// How rows lie in the file: as one piece, or in chunks of some rows each.
    package enum Layout { case contiguous, chunked }

    /// Makes the matrix; its values are undefined until written.
    ///
    /// - Parameter chunkRows: rows of a chunk; nil: contiguous.
    package static func create(
        in file: HDF5File, _ name: String, rows: Int, columns: Int, storage: HDF5FloatStorage, chunkRows: Int? = nil
    ) throws {
        try HDF5Library.locked {
            let type = Self.type(of: storage)
            defer { H5Tclose(type) }
            H5Dclose(try file.createDataset(name, shape: [rows, columns], type: type, chunk: chunkRows.map { [$0, columns] }))
        }
    }

    /// Opens the matrix, which must be of float32 or float16, little-endian, and laid out as expected.
    ///
    /// - Parameter advice: what to do about a dataset of another form.
    /// - Throws: `Failure.badInput` for a dataset of another form, or none.
    package init(
        in file: HDF5File, _ name: String, layout: Layout = .contiguous, advice: String = "check that the file is of the kind expected here"
    ) throws {
        self.file = file
        self.name = name
        let opened = try HDF5Library.locked { () throws -> (dataset: hid_t, shape: [Int], storage: HDF5FloatStorage) in
            let dataset = try file.openDataset(name)
            let stored = H5Dget_type(dataset)
            let creation = H5Dget_create_plist(dataset)
            defer {
                H5Tclose(stored)
                H5Pclose(creation)
            }
            let shape = try file.shape(of: name)
            let storage = HDF5FloatStorage.allCases.first { candidate in
                let type = Self.type(of: candidate)
                defer { H5Tclose(type) }
                return H5Tequal(stored, type) > 0
            }
            guard shape.count == 2, shape[1] <= 1 << 40, let storage,
                H5Pget_layout(creation) == (layout == .contiguous ? H5D_CONTIGUOUS : H5D_CHUNKED)
            else {
                let form = "\(shape) of \(HDF5Types.describe(stored))"
                H5Dclose(dataset)
                throw Failure.badInput(
                    "it is \(form), a contiguous matrix [rows, dimension] of little-endian float32 or float16 was expected",
                    at: .file(file.path), .dataset(name), advice: advice)
            }
            return (dataset, shape, storage)
        }
        dataset = opened.dataset
        rows = opened.shape[0]
        columns = opened.shape[1]
        storage = opened.storage
        (type, fileOffset) = HDF5Library.locked {
            let offset = layout == .contiguous ? H5Dget_offset(opened.dataset) : haddr_t.max
            return (Self.type(of: opened.storage), offset == haddr_t.max ? nil : Int(exactly: offset))
        }
        descriptor = fileOffset == nil ? nil : file.duplicateDescriptor()
    }

    deinit {
        close()
        HDF5Library.locked { _ = H5Tclose(type) }
    }

    package func close() {
        HDF5Library.locked {
            if dataset >= 0 { H5Dclose(dataset) }
            dataset = -1
            if let descriptor { _ = Foundation.close(descriptor) }
            descriptor = nil
        }
    }

    package var bytesPerRow: Int { columns * storage.bytesPerValue }

    /// Reads rows as they are stored into `target`, which holds `rows.count * bytesPerRow` bytes.
    package func readStored(_ rows: Range<Int>, into target: UnsafeMutableRawPointer) throws {
        if try rows.isEmpty || readDirectly(rows, into: target) { return }
        try select(rows) { memory, selection in
            guard H5Dread(dataset, type, memory, selection, kairos_h5p_default(), target) >= 0 else { throw file.readFailure(name) }
        }
    }

    /// Writes rows given as they are stored.
    package func writeStored(_ rows: Range<Int>, _ values: UnsafeRawPointer) throws {
        try HDF5Library.locked { try write(rows, values, transfer: kairos_h5p_default()) }
    }

    /// Call with the lock held.
    func write(_ rows: Range<Int>, _ values: UnsafeRawPointer, transfer: hid_t) throws {
        try select(rows) { memory, selection in
            guard H5Dwrite(dataset, type, memory, selection, transfer, values) >= 0 else { throw file.writeFailure("written", name) }
        }
    }

    private static func type(of storage: HDF5FloatStorage) -> hid_t { storage == .float16 ? HDF5Types.half() : H5Tcopy(kairos_h5t_ieee_f32le()) }

    private func select(_ rows: Range<Int>, _ body: (hid_t, hid_t) throws -> Void) throws {
        try HDF5Library.locked {
            let selection = H5Dget_space(dataset)
            let count = [hsize_t(rows.count), hsize_t(columns)]
            let memory = H5Screate_simple(2, rows.isEmpty ? [1, hsize_t(columns)] : count, nil)
            defer {
                H5Sclose(selection)
                H5Sclose(memory)
            }
            if rows.isEmpty {
                _ = H5Sselect_none(selection)
                _ = H5Sselect_none(memory)
            } else if H5Sselect_hyperslab(selection, H5S_SELECT_SET, [hsize_t(rows.lowerBound), 0], nil, count, nil) < 0 {
                throw file.readFailure(name)
            }
            try body(memory, selection)
        }
    }
}
