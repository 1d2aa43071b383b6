import Collectives
import NeuralNetworks

/// How the gradient array is cut into buckets, the units of messages, and a bucket into slices, one for each rank to add up.
struct GradientBuckets {
    /// Elements per cache line: all cuts are multiples of it.
    static let line = 16
    /// So many have tags for their messages.
    static let mostBuckets = MessageTags.gradients.count / 2

    /// Elements of the arena, the last ones first: backward fills the arena from its end.
    let ranges: [Range<Int>]
    /// For every parameter the buckets that hold a part of it.
    let ofParameter: [ClosedRange<Int>]
    /// For every bucket how many parameters have a part in it.
    let parameterCounts: [Int]

    /// - Parameter elements: of a bucket; rounded up to whole cache lines, and further when that would be too many buckets.
    init(arena: ParameterArena, elements: Int) {
        self.init(count: arena.count, parameters: arena.parameters.map { $0.arenaOffset..<$0.arenaOffset + $0.count }, elements: elements)
    }

    init(count: Int, parameters: [Range<Int>], elements: Int) {
        let least = (count + Self.mostBuckets - 1) / Self.mostBuckets
        let length = (max(elements, least, 1) + Self.line - 1) / Self.line * Self.line
        var ranges: [Range<Int>] = []
        var end = count
        while end > 0 {
            ranges.append(max(0, end - length)..<end)
            end -= length
        }
        let ofParameter = parameters.map { (count - $0.upperBound) / length...(count - 1 - $0.lowerBound) / length }
        var parameterCounts = [Int](repeating: 0, count: ranges.count)
        for buckets in ofParameter {
            for bucket in buckets { parameterCounts[bucket] += 1 }
        }
        self.ranges = ranges
        self.ofParameter = ofParameter
        self.parameterCounts = parameterCounts
    }

    /// The part of a range of the arena that one of several ranks adds up; may be empty.
    static func slice(of range: Range<Int>, place: Int, of places: Int) -> Range<Int> {
        let lines = (range.count + Self.line - 1) / Self.line
        func cut(_ place: Int) -> Int { min(range.upperBound, range.lowerBound + lines * place / places * line) }
        return cut(place)..<cut(place + 1)
    }
}
