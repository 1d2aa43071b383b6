import Diagnostics

/// Videos that an evaluation leaves out, as ActivityNet's server lists them: a JSON list of names.
public enum BlockedVideos {
    /// - Throws: `Failure` (`.badInput`) when the file is not such a list.
    public static func read(_ path: String) throws -> Set<VideoID> {
        let root = try JSONNode.read(path)
        guard let list = root.array else {
            throw Failure.badInput("the file is \(root.kind), not a list of videos", at: .file(path), advice: advice)
        }
        return Set(
            try list.map { node in
                guard let name = node.string else {
                    throw Failure.badInput("\(node.described) is no name of a video", at: .file(path), .line(node.line), advice: advice)
                }
                return VideoID(name)
            })
    }

    private static let advice = "the form is [\"VIDEO\", ...]"
}
