import Diagnostics
import TemporalAnnotations

/// The faults of the videos of an import, collected so that one message names them all.
struct ImportFaults {
    /// In the order in which they are said.
    enum Kind: Int, CaseIterable {
        case missing, file, shape, rate, rows, segment
    }

    struct Fault {
        let kind: Kind
        let video: VideoID
        let failure: Failure
    }

    private(set) var faults: [Fault] = []
    var isEmpty: Bool { faults.isEmpty && common.isEmpty }
    /// What is wrong with all videos together.
    private var common: [Failure] = []
    /// What is said of missing files where nothing else is wrong.
    private var missing: [Failure] = []

    /// Lines of one error; further ones are counted.
    private static let mostLines = 10
    /// Names in one line.
    private static let mostNames = 8

    mutating func add(_ kind: Kind, _ video: VideoID, _ failure: Failure) { faults.append(Fault(kind: kind, video: video, failure: failure)) }

    mutating func addMissing(_ videos: [VideoID], of part: FeaturePart, _ failure: Failure) {
        missing.append(failure)
        for video in videos {
            add(.missing, video, Failure(.badInput, "no file \(part.pattern) in '\(part.folder)'", at: failure.places, advice: failure.advice))
        }
    }

    mutating func add(_ failure: Failure) { common.append(failure) }

    /// - Returns: what `body` gives; nil where it found the input wrong, which is noted.
    mutating func attempt<Value>(_ kind: Kind, _ video: VideoID, _ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch let failure as Failure where failure.kind == .badInput {
            add(kind, video, failure)
            return nil
        }
    }

    /// - Parameters:
    ///   - noun: what the videos are called.
    ///   - verb: what is wrong with them.
    ///   - count: how many there are in all.
    ///   - places: where they all lie.
    ///   - advice: what to do about all faults of a kind; nil: what the faults say.
    /// - Throws: the one fault there is, or an error that names all of them.
    func check(
        _ noun: String = "videos", _ verb: String = "do not fit", of count: Int, at places: [Failure.Place],
        advice: (Kind, [Fault]) -> String? = { _, _ in nil }
    ) throws {
        if missing.count == 1, common.isEmpty, faults.allSatisfy({ $0.kind == .missing }) { throw missing[0] }
        if faults.count + common.count <= 1 {
            if let failure = faults.first?.failure ?? common.first { throw failure }
            return
        }
        let kinds = Kind.allCases.compactMap { kind -> (kind: Kind, faults: [Fault])? in
            let found = faults.filter { $0.kind == kind }
            return found.isEmpty ? nil : (kind, found)
        }
        let lines = kinds.flatMap { Self.lines($0.faults) }
        let shown = lines.prefix(Self.mostLines)
        let rest = lines.dropFirst(Self.mostLines).reduce(0) { $0 + $1.videos }
        let advices = kinds.flatMap { kind, found in advice(kind, found).map { [$0] } ?? Self.distinct(found.map(\.failure.advice)).prefix(3) }
        let text =
            shown.map { "\n    \($0.text)" }.joined() + (rest > 0 ? "\n    and \(rest) more" : "")
            + common.map { "\n    together: \($0.what)" }.joined()
        throw Failure(
            .badInput, "\(Set(faults.map(\.video)).count) of \(count) \(noun) \(verb):\(text)", at: places,
            advice: Self.distinct(advices + common.map(\.advice)).joined(separator: "; "))
    }

    /// One line for all videos of which the same is said.
    private static func lines(_ faults: [Fault]) -> [(text: String, videos: Int)] {
        var groups: [String: [VideoID]] = [:]
        for fault in faults { groups[fault.failure.what, default: []].append(fault.video) }
        return distinct(faults.map(\.failure.what)).map { what in
            let videos = groups[what] ?? []
            return ("\(quoted(videos.map(\.name), most: mostNames)): \(what)", videos.count)
        }
    }

    private static func distinct(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }

    /// 'a', 'b' and 3 more.
    static func quoted(_ names: [String], most: Int) -> String {
        names.prefix(most).map { "'\($0)'" }.joined(separator: ", ") + (names.count > most ? " and \(names.count - most) more" : "")
    }
}
