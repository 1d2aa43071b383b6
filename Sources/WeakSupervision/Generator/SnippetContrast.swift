import Autograd
import Kernels

/// Contrast between mined snippets: hard ones are drawn to the easy ones of their kind and away from those of the other, within a video and between
/// videos of the same classes.
///
/// Every video takes part with rows of one matrix: mean hard action, mean hard background, mean easy action, mean easy background, then the easy
/// actions and as many easy backgrounds.
public enum SnippetContrast {
    /// Where a video's rows stand.
    public struct Place: Equatable, Sendable {
        /// Of the first of its rows.
        public var first: Int
        /// Easy actions, and easy backgrounds.
        public var easy: Int
        /// A video whose rows begin at `first` of the matrix and that has `easy` easy actions.
        public init(first: Int, easy: Int) {
            self.first = first
            self.easy = easy
        }
        public var rows: Int { 4 + 2 * easy }
    }

    /// Rows of some videos, and the gradient with respect to them.
    struct Rows {
        let values: UnsafePointer<Float>
        let gradient: UnsafeMutablePointer<Float>
        let place: (_ video: Int) -> Place

        init(_ values: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, place: @escaping (_ video: Int) -> Place) {
            self.values = values
            self.gradient = gradient
            self.place = place
        }
    }

    /// The rows of some videos, recorded.
    ///
    /// - Returns: the matrix and where each video's rows stand in it.
    public static func rows(_ embeddings: PackedSequence, snippets: [MinedSnippets], tape: Tape) -> (rows: Tensor, places: [Place]) {
        var groups: [[Int]] = [], places: [Place] = []
        for (video, mined) in snippets.enumerated() {
            let first = embeddings.offsets[video]
            func rows(_ segments: [Int]) -> [Int] { segments.map { first + $0 } }
            places.append(Place(first: groups.count, easy: mined.easyActions.count))
            groups += [mined.hardActions, mined.hardBackgrounds, mined.easyActions, mined.easyBackgrounds].map(rows)
            groups += rows(mined.easyActions).map { [$0] } + rows(mined.easyBackgrounds).map { [$0] }
        }
        return (tape.rowMeans(embeddings.tensor, groups: groups), places)
    }

    /// The hard means of one video against the easy snippets of one (itself or another): the sum of the two contrasts (docs/methods.md).
    ///
    /// - Parameters:
    ///   - hard: rows with the means that are compared.
    ///   - hardVideo: the video of these.
    ///   - easy: rows with the snippets that are compared with.
    ///   - easyVideo: the video of these.
    ///   - columns: values of a row.
    ///   - temperature: what similarities are divided by.
    ///   - weight: factor of the gradient; `weight` * d loss / d rows is added to the gradients of the rows.
    /// - Returns: the loss, without the weight.
    static func loss(
        hard: Rows, _ hardVideo: Int, easy: Rows, _ easyVideo: Int, columns: Int, temperature: Float, weight: Float
    ) -> Double {
        let compared = easy.place(easyVideo), rows = 2 + compared.easy
        var gathered = [Float](repeating: 0, count: rows * columns), found = gathered
        var total = 0.0
        for side in 0..<2 {
            // Actions against backgrounds, then backgrounds against actions.
            let negatives = compared.first + 4 + (side == 0 ? compared.easy : 0)
            let query = (hard, hard.place(hardVideo).first + side)
            let sources = [query] + ([compared.first + 2 + side] + (negatives..<negatives + compared.easy)).map { (easy, $0) }
            for (row, (from, source)) in sources.enumerated() {
                for c in 0..<columns { gathered[row * columns + c] = from.values[source * columns + c] }
            }
            total += ContrastiveLoss.query(gathered, rows: rows, columns: columns, temperature: temperature, gradient: &found)
            for (row, (from, source)) in sources.enumerated() {
                for c in 0..<columns { from.gradient[source * columns + c] += weight * found[row * columns + c] }
            }
        }
        return total
    }

    /// Pairs of videos of equal class sets, first < second, in order.
    public static func pairs(_ classSets: [[Int]]) -> [(first: Int, second: Int)] {
        var result: [(first: Int, second: Int)] = []
        for second in classSets.indices {
            for first in 0..<second where classSets[first] == classSets[second] && !classSets[first].isEmpty { result.append((first, second)) }
        }
        return result
    }
}
