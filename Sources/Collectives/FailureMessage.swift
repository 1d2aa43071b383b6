import Diagnostics
import Foundation

/// A `Failure` encoded for other ranks.
struct FailureMessage: Codable {
    private let kind: Int32
    private let what: String
    private let places: [Place]
    private let advice: String

    private struct Place: Codable {
        var name: String
        var text = ""
        var number = 0
        var second = 0
    }

    init(_ failure: Failure) {
        kind = failure.kind.rawValue
        what = failure.what
        advice = failure.advice
        places = failure.places.map { place in
            switch place {
            case .file(let path): Place(name: "file", text: path)
            case .video(let id): Place(name: "video", text: id)
            case .key(let key): Place(name: "key", text: key)
            case .dataset(let name): Place(name: "dataset", text: name)
            case .parameter(let name): Place(name: "parameter", text: name)
            case .line(let number): Place(name: "line", number: number)
            case .column(let number): Place(name: "column", number: number)
            case .position(let line, let column): Place(name: "position", number: line, second: column)
            case .rank(let rank): Place(name: "rank", number: rank)
            case .step(let step): Place(name: "step", number: step)
            }
        }
    }

    var failure: Failure {
        let places = places.compactMap { place -> Failure.Place? in
            switch place.name {
            case "file": .file(place.text)
            case "video": .video(place.text)
            case "key": .key(place.text)
            case "dataset": .dataset(place.text)
            case "parameter": .parameter(place.text)
            case "line": .line(place.number)
            case "column": .column(place.number)
            case "position": .position(line: place.number, column: place.second)
            case "rank": .rank(place.number)
            case "step": .step(place.number)
            default: nil
            }
        }
        return Failure(Failure.Kind(rawValue: kind) ?? .failed, what, at: places, advice: advice)
    }

    func encoded() throws -> Data { try JSONEncoder().encode(self) }

    static func decode(_ data: Data) throws -> FailureMessage { try JSONDecoder().decode(FailureMessage.self, from: data) }
}
