import Diagnostics

/// A request that a kernel cannot fulfil. This target is compiled without checks (`-Ounchecked`), where a failed `precondition` is undefined
/// behaviour: checks here must be a `guard` that ends in this.
enum KernelFault {
    /// Prints the fault in the program's error format and ends the process: kernels cannot throw.
    static func end(_ what: String) -> Never {
        Failure.failed(what, advice: "this is a fault of the program: report it with the configuration of the run").end()
    }
}
