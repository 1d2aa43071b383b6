import Digests
import Foundation
import RunRecords

/// The program that runs: checkpoints record it, ranks compare it, `kairos --version` prints it.
public enum ProgramVersion {
    public static let current = "0.1.0"

    /// SHA-256 of the executable file, 64 hexadecimal digits: two programs with equal digests are the same build. Computed once, when first asked for
    /// (35 MB: 0.1 s). Empty where the system does not show the file.
    public static let buildDigest: String = {
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) else { return "" }
        return SHA256(bytes).hex()
    }()

    /// "0.1.0 (build 7fbdc18a2699)".
    public static var text: String { text(version: current, digest: buildDigest) }

    package static func text(version: String, digest: String) -> String {
        "\(version) (build \(digest.isEmpty ? "unknown" : String(digest.prefix(12))))"
    }
}

extension Checkpoint.Header {
    /// "kairos 0.1.0 (build 7fbdc18a2699)", without the build where nobody recorded it.
    public var writer: String {
        "kairos " + (programDigest.isEmpty ? programVersion : ProgramVersion.text(version: programVersion, digest: programDigest))
    }

    /// What to say where the program that continues with a run is not the one that wrote the checkpoint; nil where it is, or nobody knows.
    package var otherBuildNote: String? { otherBuildNote(version: ProgramVersion.current, digest: ProgramVersion.buildDigest) }

    /// What to say where matrix products are made by other libraries, other versions of them, or other instructions than those that the run was begun
    /// with; nil where they are the same, or nobody knows. Version 0.1.0 did not record the instructions.
    ///
    /// - Parameter now: those of this program.
    package func otherLibrariesNote(_ now: String) -> String? {
        let known = libraries.contains("(") ? now : now.replacing(#/ \([^)]*\)/#, with: "")
        guard !libraries.isEmpty, libraries != known else { return nil }
        return "warning: the checkpoint was written with \(libraries), this program has \(now): the result may differ in its last bits from that of "
            + "an uninterrupted run"
    }

    package func otherBuildNote(version: String, digest: String) -> String? {
        guard programVersion != version || !programDigest.isEmpty && !digest.isEmpty && programDigest != digest else { return nil }
        return "warning: the checkpoint was written by \(writer), this is kairos \(ProgramVersion.text(version: version, digest: digest)): "
            + "the result may differ in its last bits from that of an uninterrupted run"
    }
}
