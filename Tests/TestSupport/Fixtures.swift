import Foundation

/// Golden numbers of the published implementations. Read from the folder named by the environment variable `KAIROS_FIXTURES`
/// when it is set, otherwise from `Tests/Fixtures`. A test checks every file that matches its pattern, so that further files of the same
/// form are tested by setting the variable.
public enum Fixtures {
    /// No file where a golden test expects one: such a test must fail, not pass over nothing.
    public struct Missing: Error, CustomStringConvertible {
        public let description: String
    }

    /// The folder the files are read from.
    public static var folder: URL {
        if let named = ProcessInfo.processInfo.environment["KAIROS_FIXTURES"], !named.isEmpty {
            return URL(fileURLWithPath: named, isDirectory: true)
        }
        return copies
    }

    /// The copies in the repository.
    static let copies = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures", isDirectory: true)

    /// Paths of all files whose name begins with `prefix` and ends with `suffix`, sorted, in the named folder or, when it has none, among the copies;
    /// prints each name.
    ///
    /// - Throws: `Missing` when there is none.
    public static func files(matching prefix: String, suffix: String) throws -> [String] {
        for place in [folder, copies] {
            let names = try FileManager.default.contentsOfDirectory(atPath: place.path)
                .filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) && $0.count >= prefix.count + suffix.count }
                .sorted()
            guard !names.isEmpty else { continue }
            return names.map { name in
                print("reading fixture \(name)")
                return place.appendingPathComponent(name).path
            }
        }
        throw Missing(description: "no file '\(prefix)*\(suffix)' in '\(folder.path)' or '\(copies.path)'")
    }

    /// Path of the one file `name`, in the named folder or, when it is not there, among the copies; prints the name.
    ///
    /// - Throws: `Missing` when it is in neither.
    public static func file(_ name: String) throws -> String {
        for place in [folder, copies] {
            let path = place.appendingPathComponent(name).path
            guard FileManager.default.fileExists(atPath: path) else { continue }
            print("reading fixture \(name)")
            return path
        }
        throw Missing(description: "no file '\(name)' in '\(folder.path)' or '\(copies.path)'")
    }
}
