/// The best of many scores, as many as are wanted: memory for these alone, however many are offered.
///
/// Best first, equal scores by index. A heap whose first element is the worst: a score that is not among the best so far costs one comparison.
package struct BestScores {
    package typealias Element = (score: Float, index: Int)

    private let most: Int
    /// Once it holds `most` elements, none is better than its parent.
    private var heap: [Element] = []

    /// - Parameter most: elements that are kept; none where it is not positive.
    package init(_ most: Int) { self.most = most }

    /// - Parameters:
    ///   - score: not NaN.
    ///   - index: offered once.
    package mutating func offer(_ score: Float, index: Int) {
        if heap.count < most {
            heap.append((score, index))
            if heap.count == most { for parent in stride(from: most / 2 - 1, through: 0, by: -1) { sink(parent) } }
        } else if let worst = heap.first, Self.isBetter((score, index), worst) {
            heap[0] = (score, index)
            sink(0)
        }
    }

    package func sorted() -> [Element] { heap.sorted(by: Self.isBetter) }

    private static func isBetter(_ a: Element, _ b: Element) -> Bool { a.score != b.score ? a.score > b.score : a.index < b.index }

    private mutating func sink(_ place: Int) {
        let element = heap[place]
        var place = place
        while 2 * place + 1 < heap.count {
            var child = 2 * place + 1
            if child + 1 < heap.count, Self.isBetter(heap[child], heap[child + 1]) { child += 1 }
            guard Self.isBetter(element, heap[child]) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = element
    }
}
