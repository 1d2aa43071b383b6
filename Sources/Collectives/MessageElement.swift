import COpenMPI

/// A number type that is sent in messages.
public protocol MessageElement: BitwiseCopyable {
    static var messageType: MPI_Datatype { get }
    static var zero: Self { get }
}

extension Float: MessageElement {
    public static var messageType: MPI_Datatype { kairos_mpi_float() }
}

extension Double: MessageElement {
    public static var messageType: MPI_Datatype { kairos_mpi_double() }
}

extension Int: MessageElement {
    public static var messageType: MPI_Datatype { kairos_mpi_int64() }
}

extension UInt16: MessageElement {
    public static var messageType: MPI_Datatype { kairos_mpi_uint16() }
}

extension UInt8: MessageElement {
    public static var messageType: MPI_Datatype { kairos_mpi_uint8() }
}

/// The operation of a reduction.
///
/// A floating-point sum's bits depend on the order in which MPI adds, which depends on the number of ranks: use `DeterministicSum` and
/// `GradientReduction` (DataParallel) where bits matter.
public enum Reduction: Sendable {
    case sum, max, min

    var operation: MPI_Op {
        switch self {
        case .sum: kairos_mpi_sum()
        case .max: kairos_mpi_max()
        case .min: kairos_mpi_min()
        }
    }
}
