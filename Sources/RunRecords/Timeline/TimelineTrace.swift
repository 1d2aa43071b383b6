import Diagnostics
import TemporalAnnotations

/// What one rank of a recorded run did when: `timeline/rank-N.json`, Chrome's trace format as `Timeline` writes it.
public struct TimelineTrace: Equatable, Sendable {
    /// Something that the rank did, on its working thread.
    public struct Event: Equatable, Sendable {
        public var name: String
        /// `compute`, `waiting`, `data` or `files`.
        public var category: String
        /// Counted from 1; 0 outside of steps.
        public var step: Int
        /// Seconds since the recording began.
        public var begin: Double
        public var duration: Double
    }

    /// Messages of a gradient bucket on their way.
    public struct Transfer: Equatable, Sendable {
        /// Bucket and round of messages: `bucket 3: pieces`.
        public var name: String
        public var step: Int
        /// Seconds since the recording began.
        public var begin: Double
        public var duration: Double
    }

    public var rank: Int
    /// Rank and host: `rank 0 on node1`.
    public var title: String
    /// In the order of their beginnings, outer ones before the inner ones that begin with them.
    public var events: [Event] = []
    public var transfers: [Transfer] = []

    /// - Throws: `Failure` (`.badInput`) naming file and line.
    public init(path: String) throws {
        func failure(_ what: String, _ line: JSONLine) -> Failure {
            .badInput(what, at: .file(path), .line(line), advice: "give a file from the run's folder timeline, as it was written")
        }
        let root = try JSONNode.read(path)
        guard let nodes = root["traceEvents"]?.array else { throw failure("the file is JSON, but has no list 'traceEvents'", root.line) }
        var title: String?, rank: Int?
        var began: [[String]: (step: Int, at: Double)] = [:]
        for node in nodes {
            func text(_ name: String) throws -> String {
                guard let value = node[name]?.string else { throw failure("'\(name)' of an event is missing or no string", node.line(of: name)) }
                return value
            }
            func number(_ name: String, of owner: JSONNode? = node) throws -> Double {
                guard let value = owner?[name]?.number, value.isFinite else {
                    throw failure("'\(name)' of an event is missing or no number", node.line)
                }
                return value
            }
            func step() throws -> Int {
                guard let step = Int(exactly: try number("step", of: node["args"])) else { throw failure("'step' is no whole number", node.line) }
                return step
            }
            switch try text("ph") {
            case "M" where node["name"]?.string == "process_name":
                title = node["args"]?["name"]?.string
                rank = Int(exactly: try number("pid"))
            case "X":
                events.append(
                    Event(
                        name: try text("name"), category: try text("cat"), step: try step(), begin: try number("ts") * 1e-6,
                        duration: try number("dur") * 1e-6))
            case "b":
                let key = [try text("id"), try text("name")]
                began[key] = (try step(), try number("ts"))
            case "e":
                let key = [try text("id"), try text("name")]
                guard let begin = began.removeValue(forKey: key) else {
                    throw failure("a transfer ends that has not begun", node.line)
                }
                transfers.append(
                    Transfer(
                        name: try text("name"), step: begin.step, begin: begin.at * 1e-6, duration: (try number("ts") - begin.at) * 1e-6))
            default: break
            }
        }
        guard let title, let rank else { throw failure("no event 'process_name' says which rank was recorded", root.line) }
        self.title = title
        self.rank = rank
    }
}
