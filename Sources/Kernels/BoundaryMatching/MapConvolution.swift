import Diagnostics

/// Convolution over the cells of maps, stride 1, zeros beyond the border, channels last, in groups of channels:
/// `y[r, c] = sum over i, j of x[r + i - height/2, c + j - width/2] W[i, j]`. A sequence of T rows is a map [1, T].
///
/// Results are computed on a part of the cells alone, and the input may be known on a part of them, which must hold all cells that the results see. A tile
/// of results is one product per group, of the cells that it sees, laid beside one another in a buffer that stays in the cache.
public struct MapConvolution {
    /// Channels of x and of y.
    public let input: Int
    public let output: Int
    /// Odd.
    public let height: Int
    public let width: Int
    /// Groups of channels that do not see each other; divides both numbers of channels.
    public let groups: Int
    /// Cells at which x is known.
    public let source: MapRegion
    /// Cells at which y is computed.
    public let target: MapRegion
    /// Maps, packed one after another.
    public let maps: Int

    /// Shapes as the properties have them.
    public init(input: Int, output: Int, height: Int, width: Int, groups: Int = 1, source: MapRegion, target: MapRegion, maps: Int) {
        guard source.rows == target.rows, source.columns == target.columns, input % groups == 0, output % groups == 0 else {
            KernelFault.end("a convolution from maps of \(source.rows) x \(source.columns) to \(target.rows) x \(target.columns)")
        }
        self.input = input
        self.output = output
        self.height = height
        self.width = width
        self.groups = groups
        self.source = source
        self.target = target
        self.maps = maps
    }

    private var taps: Int { height * width }
    private var groupInput: Int { input / groups }
    private var groupOutput: Int { output / groups }
    /// A linear layer: no cell sees another one.
    private var isPlain: Bool { taps == 1 && groups == 1 && source == target }
    private var operations: Int { 2 * maps * target.count * taps * groupInput * output }
    private var isParallel: Bool { operations >= 2 * MatrixMultiply.leastParallelWork }

    private static let tileCells = 256
    /// Cells of a product that sums over cells, and channels of a piece of the weight's gradient.
    private static let summedCells = 1024
    private static let weightChannels = 64

    /// Tiles of the cells of all maps.
    private func tiles(of region: MapRegion) -> [(map: Int, cells: Range<Int>)] {
        (0..<maps).flatMap { map in
            stride(from: 0, to: region.count, by: Self.tileCells).map { (map, $0..<min(region.count, $0 + Self.tileCells)) }
        }
    }

    // MARK: Forward

    /// - Parameters:
    ///   - x: [maps * source cells, input].
    ///   - w: [height * width, input / groups, output].
    ///   - bias: [output].
    ///   - y: [maps * target cells, output].
    ///   - relu: negative results become 0.
    public func forward(
        _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, relu: Bool
    ) {
        KernelCounter.count(.convolution, operations: operations, bytes: 4 * maps * (source.count * input + target.count * output)) {
            let k = taps * groupInput
            inTiles(of: target, scratch: isPlain ? 0 : Self.tileCells * k) { map, cells, scratch in
                let y = y + (map * target.count + cells.lowerBound) * output
                for group in 0..<groups {
                    let seen: UnsafePointer<Float>
                    if isPlain {
                        seen = x + (map * source.count + cells.lowerBound) * input
                    } else {
                        gather(
                            x + map * source.count * input, of: source, stride: input, channels: group * groupInput..<(group + 1) * groupInput,
                            at: cells, of: target, taps: 0..<taps, flipped: false, into: scratch)
                        seen = UnsafePointer(scratch)
                    }
                    MatrixMultiply.oneThread(
                        m: cells.count, n: groupOutput, k: k, seen, lda: k, transposeA: false, w + group * groupOutput, ldb: output,
                        transposeB: false, into: y + group * groupOutput, ldc: output, accumulate: false)
                }
                finish(y, cells: cells.count, bias: bias, relu: relu)
            }
        }
    }

    @inline(__always)
    private func finish(_ y: UnsafeMutablePointer<Float>, cells: Int, bias: UnsafePointer<Float>?, relu: Bool) {
        if let bias { Activations.addBias(bias, 0..<cells, channels: output, to: y) }
        guard relu else { return }
        forEachPiece(0..<cells * output) { i, n in
            let v = load(y + i, n)
            store(y + i, v.replacing(with: 0, where: v .< 0), n)
        }
    }

    // MARK: Backward

    /// dx [maps * source cells, input] (+)= the cells of dy that saw each of x.
    ///
    /// - Parameters:
    ///   - dy: [maps * target cells, output].
    ///   - w: [height * width, input / groups, output].
    ///   - dx: receives the gradient of the input.
    ///   - add: whether the gradient is added to what is there.
    public func backwardInput(_ dy: UnsafePointer<Float>, _ w: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, add: Bool) {
        KernelCounter.count(.convolution, operations: operations, bytes: 4 * maps * (source.count * input + target.count * output)) {
            let k = taps * groupOutput
            // Per group [taps, group's output, group's input].
            let turned = CheckedMemory.allocateOrEnd(Float.self, count: taps * groupInput * output, for: "the weights of a convolution")
            defer { turned.deallocate() }
            for group in 0..<groups {
                for tap in 0..<taps {
                    for i in 0..<groupInput {
                        for o in 0..<groupOutput {
                            turned[((group * taps + tap) * groupOutput + o) * groupInput + i] =
                                w[(tap * groupInput + i) * output + group * groupOutput + o]
                        }
                    }
                }
            }
            inTiles(of: source, scratch: isPlain ? 0 : Self.tileCells * k) { map, cells, scratch in
                for group in 0..<groups {
                    let seen: UnsafePointer<Float>
                    if isPlain {
                        seen = dy + (map * target.count + cells.lowerBound) * output
                    } else {
                        gather(
                            dy + map * target.count * output, of: target, stride: output,
                            channels: group * groupOutput..<(group + 1) * groupOutput, at: cells, of: source, taps: 0..<taps, flipped: true,
                            into: scratch)
                        seen = UnsafePointer(scratch)
                    }
                    MatrixMultiply.oneThread(
                        m: cells.count, n: groupInput, k: k, seen, lda: k, transposeA: false, turned + group * k * groupInput, ldb: groupInput,
                        transposeB: false, into: dx + (map * source.count + cells.lowerBound) * input + group * groupInput, ldc: input,
                        accumulate: add)
                }
            }
        }
    }

    /// dW [height * width, input / groups, output] (+)= sum over cells of x^T dy, map by map.
    public func backwardWeight(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, into dw: UnsafeMutablePointer<Float>, add: Bool) {
        KernelCounter.count(.convolutionWeight, operations: operations, bytes: 4 * maps * (source.count * input + target.count * output)) {
            var pieces: [(group: Int, tap: Int, channels: Range<Int>)] = []
            for group in 0..<groups {
                for tap in 0..<taps {
                    for first in stride(from: 0, to: groupInput, by: Self.weightChannels) {
                        pieces.append((group, tap, first..<min(groupInput, first + Self.weightChannels)))
                    }
                }
            }
            let isParallel = isParallel, workers = isParallel ? ComputeContext.current.threads : 1, each = Self.summedCells * Self.weightChannels
            let scratch = CheckedMemory.allocateOrEnd(Float.self, count: workers * each, for: "the cells that a convolution sees")
            defer { scratch.deallocate() }
            Threads.overPieces(pieces.count, isParallel: isParallel) { piece, worker in
                let (group, tap, channels) = pieces[piece], scratch = scratch + worker * each
                let own = channels.lowerBound + group * groupInput..<channels.upperBound + group * groupInput
                let place = dw + (tap * groupInput + channels.lowerBound) * output + group * groupOutput
                var isFirst = !add
                for map in 0..<maps {
                    for first in stride(from: 0, to: target.count, by: Self.summedCells) {
                        let cells = first..<min(target.count, first + Self.summedCells)
                        gather(
                            x + map * source.count * input, of: source, stride: input, channels: own, at: cells, of: target, taps: tap..<tap + 1,
                            flipped: false, into: scratch)
                        MatrixMultiply.oneThread(
                            m: channels.count, n: groupOutput, k: cells.count, scratch, lda: channels.count, transposeA: true,
                            dy + (map * target.count + first) * output + group * groupOutput, ldb: output, transposeB: false, into: place,
                            ldc: output, accumulate: !isFirst)
                        isFirst = false
                    }
                }
                if isFirst { for row in 0..<channels.count { (place + row * output).update(repeating: 0, count: groupOutput) } }
            }
        }
    }

    // MARK: Cells

    private func inTiles(
        of region: MapRegion, scratch each: Int, _ body: (_ map: Int, _ cells: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) {
        let tiles = tiles(of: region), isParallel = isParallel, workers = isParallel ? ComputeContext.current.threads : 1
        let scratch = CheckedMemory.allocateOrEnd(Float.self, count: workers * each, for: "the cells that a convolution sees")
        defer { scratch.deallocate() }
        Threads.overPieces(weights: tiles.map(\.cells.count), isParallel: isParallel) { i, worker in
            body(tiles[i].map, tiles[i].cells, scratch + worker * each)
        }
    }

    /// Lays out the cells that `cells` see through `taps`: [cells, taps, channels], zeros where there is no cell.
    ///
    /// - Parameters:
    ///   - values: of one map, [cells of `region`, stride].
    ///   - flipped: the cells that see them, in place of those that they see.
    private func gather(
        _ values: UnsafePointer<Float>, of region: MapRegion, stride: Int, channels: Range<Int>, at cells: Range<Int>, of other: MapRegion,
        taps: Range<Int>, flipped: Bool, into buffer: UnsafeMutablePointer<Float>
    ) {
        let each = channels.count, row = taps.count * each
        other.forEachRun(cells) { r, columns, first in
            let begin = buffer + (first - cells.lowerBound) * row
            for tap in taps {
                let down = tap / width - height / 2, right = tap % width - width / 2
                let seenRow = flipped ? r - down : r + down, shift = flipped ? -right : right
                let span = seenRow >= 0 && seenRow < region.rows ? region.spans[seenRow] : 0..<0
                let from = max(columns.lowerBound + shift, span.lowerBound), to = max(from, min(columns.upperBound + shift, span.upperBound))
                var target = begin + (tap - taps.lowerBound) * each
                var column = columns.lowerBound + shift
                let end = columns.upperBound + shift
                while column < end {
                    if column >= from, column < to {
                        let place = region.begins[seenRow] + column - region.spans[seenRow].lowerBound
                        target.update(from: values + place * stride + channels.lowerBound, count: each)
                    } else {
                        target.update(repeating: 0, count: each)
                    }
                    target += row
                    column += 1
                }
            }
        }
    }
}
