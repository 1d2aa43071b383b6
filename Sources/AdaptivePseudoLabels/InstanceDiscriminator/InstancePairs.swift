import RandomStreams

/// Pairs of labelled instances for the discriminator.
public struct InstancePairs: Equatable, Sendable {
    /// Indices into the set of labelled instances.
    public var firsts: [Int] = []
    public var seconds: [Int] = []
    /// 1 for the same class, 0 for another.
    public var targets: [Float] = []

    public init() {}
    public var count: Int { targets.count }

    mutating func append(_ first: Int, _ second: Int, target: Float) {
        firsts.append(first)
        seconds.append(second)
        targets.append(target)
    }

    /// Balanced pairs (Eq. 7): for each anchor `perSide` partners of its class and `perSide` of other classes, drawn from all labelled instances.
    ///
    /// Choices where the paper is silent: partners are drawn without repetition while there are enough, else with repetition, so that both
    /// sides stay equally large; an anchor is its own partner only when it is alone in its class; with a single class
    /// there are no negative pairs.
    ///
    /// - Parameters:
    ///   - anchors: the mini-batch's instances, indices into `labels`.
    ///   - labels: classes of all labelled instances.
    ///   - perSide: partners of the same class, and of other classes.
    ///   - random: draws the partners.
    public static func balanced(anchors: [Int], labels: [Int], perSide: Int = 10, random: inout RandomStream) -> InstancePairs {
        var pairs = InstancePairs()
        for anchor in anchors {
            var same: [Int] = [], other: [Int] = []
            for (index, label) in labels.enumerated() where index != anchor {
                if label == labels[anchor] { same.append(index) } else { other.append(index) }
            }
            if same.isEmpty { same = [anchor] }
            for partner in draw(perSide, from: same, random: &random) { pairs.append(anchor, partner, target: 1) }
            for partner in draw(perSide, from: other, random: &random) { pairs.append(anchor, partner, target: 0) }
        }
        return pairs
    }

    private static func draw(_ count: Int, from pool: [Int], random: inout RandomStream) -> [Int] {
        guard !pool.isEmpty else { return [] }
        guard pool.count >= count else { return (0..<count).map { _ in pool[random.uniformIndex(below: pool.count)] } }
        var pool = pool
        return (0..<count).map { i in
            pool.swapAt(i, i + random.uniformIndex(below: pool.count - i))
            return pool[i]
        }
    }
}
