import CProcessor

/// The instruction sets this program was compiled for (`launch/build --processor`) and those of the processor it runs on.
public enum Processor {
    /// Ends the program with a message and exit code 1 when the processor lacks instructions that the program was compiled to use. Must come before
    /// anything else: code compiled for a newer processor may use them anywhere.
    public static func require() {
        kairos_processor_require(kairos_processor_compiled())
    }

    /// Names as in /proc/cpuinfo: `avx2`, `avx512f`.
    public static var compiledFor: [String] { names(kairos_processor_compiled()) }
    /// What this machine's processor has, of the names that the program knows.
    public static var present: [String] { names(kairos_processor_present()) }

    /// The message for a processor that lacks the named instruction sets.
    public static func message(lacking missing: [String]) -> String {
        var mask: UInt64 = 0
        for index in 0..<Int(KAIROS_PROCESSOR_FEATURE_COUNT) where missing.contains(name(index)) { mask |= 1 << UInt64(index) }
        var buffer = [CChar](repeating: 0, count: 1_024)
        let length = kairos_processor_message(mask, &buffer, buffer.count)
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func name(_ index: Int) -> String { String(cString: kairos_processor_feature_name(Int32(index))) }

    private static func names(_ mask: UInt64) -> [String] {
        (0..<Int(KAIROS_PROCESSOR_FEATURE_COUNT)).filter { mask >> UInt64($0) & 1 == 1 }.map(name)
    }
}
