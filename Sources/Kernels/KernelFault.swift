import Diagnostics

/// What a kernel was asked for and cannot do. This target is compiled without checks (`-Ounchecked`), where a failed `precondition` is undefined
/// behaviour: checks here must be a `guard` that ends in this.
enum KernelFault {
    /// Says the fault in the program's words and ends the process: kernels cannot throw.
    static func end(_ what: String) -> Never {
        Failure.failed(what, advice: "this is a fault of the program: report it with the configuration of the run").end()
    }
}
