import Diagnostics
import XCTest

final class ProcessorTests: XCTestCase {
    func testTheProcessorThatRunsThisHasWhatItWasCompiledFor() {
        XCTAssertEqual(Processor.compiledFor.filter { !Processor.present.contains($0) }, [])
    }

    func testFeaturesAreThoseTheSystemNames() throws {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
        else { throw XCTSkip("no processor flags to compare with") }
        var flags = Set(line.split(separator: " ").map(String.init))
        if flags.contains("pni") { flags.insert("sse3") }
        if flags.contains("abm") { flags.insert("lzcnt") }
        let known = Set([
            "sse3", "ssse3", "sse4_1", "sse4_2", "popcnt", "movbe", "avx", "f16c", "fma", "avx2", "bmi1", "bmi2", "lzcnt", "avx512f", "avx512bw",
        ])
        XCTAssertEqual(Set(Processor.present).intersection(known), flags.intersection(known))
    }

    func testMessage() {
        XCTAssertEqual(
            Processor.message(lacking: ["avx512f", "avx2"]),
            """
            error: this program was built for a processor with avx2, avx512f, this one lacks that
              do: build it on this machine with launch/build, or elsewhere with launch/build --processor x86-64-v2 (or -v3)

            """)
        XCTAssertLessThan(Processor.message(lacking: Processor.present + ["avx512_fp16", "gfni"]).count, 1_000)
    }
}
