import Diagnostics
import Foundation

@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// One program with all fuzzers:
///
///     kairos-fuzz PARSER [OPTIONS AND FOLDERS OF LIBFUZZER]
///     kairos-fuzz list
///     kairos-fuzz damage store|checkpoint|bare-store|bare-checkpoint COUNT SEED
@main
enum Fuzzing {
    static func main() throws {
        let name = CommandLine.arguments.dropFirst().first ?? "list"
        switch name {
        case "list":
            print(parsers.keys.sorted().joined(separator: "\n"))
        case "damage":
            let words = CommandLine.arguments
            guard words.count == 5, let file = DamagedFile(rawValue: words[2]), let count = Int(words[3]), let seed = UInt64(words[4]) else {
                print("usage: kairos-fuzz damage \(DamagedFile.allCases.map(\.rawValue).joined(separator: "|")) COUNT SEED")
                exit(2)
            }
            exit(try file.damage(count: count, seed: seed) ? 0 : 1)
        case "read":
            // A child of `damage`.
            do {
                try DamagedFile(rawValue: CommandLine.arguments[2])?.read(CommandLine.arguments[3])
                exit(0)
            } catch let failure as Failure { exit(failure.exitCode) }
        default:
            guard let parser = parsers[name] else {
                print("there is no parser '\(name)'; there are: \(parsers.keys.sorted().joined(separator: ", "))")
                exit(2)
            }
            chosen = parser
            parser.prepare(CommandLine.arguments.dropFirst(2).first { !$0.hasPrefix("-") })
            var count = CommandLine.argc - 1
            // The program's name stays, the parser's goes.
            var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
            arguments?[0] = CommandLine.unsafeArgv[0]
            exit(
                runFuzzer(&count, &arguments) { bytes, count in
                    chosen?.body(UnsafeRawBufferPointer(start: bytes, count: count))
                    return 0
                })
        }
    }
}
