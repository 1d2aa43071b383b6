import Diagnostics
import Foundation

/// libFuzzer calls this first. One program holds all fuzzers:
///
///     kairos-fuzz PARSER [OPTIONS AND FOLDERS OF LIBFUZZER]
///     kairos-fuzz list
///     kairos-fuzz damage store|checkpoint|bare-store|bare-checkpoint COUNT SEED
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
    let words = CommandLine.arguments
    switch words.dropFirst().first ?? "list" {
    case "list":
        print(parsers.keys.sorted().joined(separator: "\n"))
        exit(0)
    case "damage":
        guard words.count == 5, let file = DamagedFile(rawValue: words[2]), let number = Int(words[3]), let seed = UInt64(words[4]) else {
            print("usage: kairos-fuzz damage \(DamagedFile.allCases.map(\.rawValue).joined(separator: "|")) COUNT SEED")
            exit(2)
        }
        do {
            exit(try file.damage(count: number, seed: seed) ? 0 : 1)
        } catch {
            print(error)
            exit(2)
        }
    case "read":
        // A child of `damage`.
        do {
            try DamagedFile(rawValue: words[2])?.read(words[3])
            exit(0)
        } catch { exit((error as? Failure)?.exitCode ?? 4) }
    case let name:
        guard let parser = parsers[name] else {
            print("there is no parser '\(name)'; there are: \(parsers.keys.sorted().joined(separator: ", "))")
            exit(2)
        }
        chosen = parser
        parser.prepare(words.dropFirst(2).first { !$0.hasPrefix("-") })
        // The program's name stays, the parser's goes.
        arguments.pointee[1] = arguments.pointee[0]
        arguments.pointee += 1
        count.pointee -= 1
        return 0
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func readOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    chosen?.body(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}
