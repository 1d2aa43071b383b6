import Diagnostics

/// BMN's boundary-matching layer and the convolution over its samples in one, with ReLU:
/// `y[cell, o] = max(0, b[o] + sum over n, t of W[t, n, cell] sum over c of x[t, c] w[n, c, o])`.
///
/// Both are linear, so they are contracted before anything is sampled: first the products P[n, t, o] over channels, then the sparse sum over n and t. The
/// published order, [channels, N, cells] first, takes a hundred times as many multiplications and N times the memory. P exists for one map and
/// `blockChannels` outputs at a time. Cells around the valid ones see no sample and hold max(0, b).
public struct BoundaryMatching {
    /// Rows of features seen by each cell, and how.
    public let mask: BoundaryMatchingMask
    /// Cells at which y is computed; holds the mask's valid ones.
    public let target: MapRegion
    /// Channels of x and of y.
    public let input: Int
    public let output: Int
    /// Maps, packed one after another.
    public let maps: Int

    /// Shapes as the properties have them.
    public init(_ mask: BoundaryMatchingMask, target: MapRegion, input: Int, output: Int, maps: Int) {
        self.mask = mask
        self.target = target
        self.input = input
        self.output = output
        self.maps = maps
    }

    private static let blockChannels = 64
    private var scale: Int { mask.map.scale }
    private var blocks: Int { (output + Self.blockChannels - 1) / Self.blockChannels }
    private var scratchCount: Int { mask.samples * scale * Self.blockChannels }
    private var operations: Int { 2 * maps * (mask.samples * scale * input * output + mask.weights.count * output) }
    private var isParallel: Bool { operations >= 2 * MatrixMultiply.leastParallelWork }

    /// - Parameters:
    ///   - x: [maps * scale, input].
    ///   - w: [samples, input, output].
    ///   - bias: [output].
    ///   - y: [maps * target cells, output].
    public func forward(
        _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, bias: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
    ) {
        KernelCounter.count(.convolution, operations: operations, bytes: 4 * maps * (scale * input + target.count * output)) {
            let isParallel = isParallel, workers = isParallel ? ComputeContext.current.threads : 1
            let scratch = makeScratch(workers * scratchCount)
            defer { scratch.deallocate() }
            Threads.overPieces(maps * blocks, isParallel: isParallel) { piece, worker in
                let map = piece / blocks, first = piece % blocks * Self.blockChannels, width = min(Self.blockChannels, output - first)
                let products = scratch + worker * scratchCount
                for n in 0..<mask.samples {
                    MatrixMultiply.oneThread(
                        m: scale, n: width, k: input, x + map * scale * input, lda: input, transposeA: false, w + n * input * output + first,
                        ldb: output, transposeB: false, into: products + n * scale * Self.blockChannels, ldc: Self.blockChannels,
                        accumulate: false)
                }
                sample(products, bias: bias + first, width: width, into: y + map * target.count * output + first)
            }
        }
    }

    private func makeScratch(_ count: Int) -> UnsafeMutablePointer<Float> {
        let scratch = CheckedMemory.allocateOrEnd(Float.self, count: count, for: "the products of boundary matching")
        scratch.update(repeating: 0, count: count)
        return scratch
    }

    private func sample(_ products: UnsafePointer<Float>, bias: UnsafePointer<Float>, width: Int, into y: UnsafeMutablePointer<Float>) {
        let b0 = lanes(bias, width, 0), b1 = lanes(bias, width, 16), b2 = lanes(bias, width, 32), b3 = lanes(bias, width, 48)
        mask.begins.withUnsafeBufferPointer { begins in
            mask.places.withUnsafeBufferPointer { places in
                mask.weights.withUnsafeBufferPointer { weights in
                    forEachCell { cell, valid in
                        var s0 = b0, s1 = b1, s2 = b2, s3 = b3
                        if let valid {
                            for entry in Int(begins[valid])..<Int(begins[valid + 1]) {
                                let p = products + Int(places[entry]) * Self.blockChannels, weight = Vector(repeating: weights[entry])
                                s0 = s0.addingProduct(weight, load(p))
                                s1 = s1.addingProduct(weight, load(p + 16))
                                s2 = s2.addingProduct(weight, load(p + 32))
                                s3 = s3.addingProduct(weight, load(p + 48))
                            }
                        }
                        let y = y + cell * output
                        put(s0, y, width, 0)
                        put(s1, y, width, 16)
                        put(s2, y, width, 32)
                        put(s3, y, width, 48)
                    }
                }
            }
        }
    }

    @inline(__always)
    private func lanes(_ pointer: UnsafePointer<Float>, _ width: Int, _ first: Int) -> Vector {
        first < width ? load(pointer + first, min(16, width - first)) : Vector()
    }

    @inline(__always)
    private func put(_ v: Vector, _ y: UnsafeMutablePointer<Float>, _ width: Int, _ first: Int) {
        if first < width { store(y + first, v.replacing(with: 0, where: v .< 0), min(16, width - first)) }
    }

    /// Every cell of the target, and its number among the valid ones.
    @inline(__always)
    private func forEachCell(_ body: (_ cell: Int, _ valid: Int?) -> Void) {
        let valid = mask.map.valid
        for row in 0..<target.rows {
            let span = valid.spans[row], begin = valid.begins[row]
            var cell = target.begins[row]
            for column in target.spans[row] {
                body(cell, span.contains(column) ? begin + column - span.lowerBound : nil)
                cell += 1
            }
        }
    }

    /// The gradients of x and w; that of the bias is the sum of dy over cells.
    ///
    /// - Parameters:
    ///   - dy: [maps * target cells, output], 0 where y is.
    ///   - x: [maps * scale, input].
    ///   - w: [samples, input, output].
    ///   - dx: [maps * scale, input].
    ///   - addInput: whether the gradient of x is added to what is there.
    ///   - dw: [samples, input, output].
    ///   - addWeight: whether that of w is.
    public func backward(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, addInput: Bool,
        dw: UnsafeMutablePointer<Float>, addWeight: Bool
    ) {
        KernelCounter.count(.convolutionWeight, operations: 2 * operations, bytes: 4 * maps * (scale * input + target.count * output)) {
            let isParallel = isParallel, workers = isParallel ? ComputeContext.current.threads : 1
            let inputs = maps * scale * input
            // One sum per block of outputs, added up in the order of the blocks.
            let parts = CheckedMemory.allocateOrEnd(Float.self, count: blocks * inputs, for: "the parts of a gradient of boundary matching")
            defer { parts.deallocate() }
            let scratch = makeScratch(workers * scratchCount)
            defer { scratch.deallocate() }
            Threads.overPieces(blocks, isParallel: isParallel) { block, worker in
                let first = block * Self.blockChannels, width = min(Self.blockChannels, output - first)
                let products = scratch + worker * scratchCount
                for map in 0..<maps {
                    spread(dy + map * target.count * output + first, width: width, into: products)
                    let x = x + map * scale * input, part = parts + block * inputs + map * scale * input
                    for n in 0..<mask.samples {
                        let p = products + n * scale * Self.blockChannels, place = n * input * output + first
                        MatrixMultiply.oneThread(
                            m: input, n: width, k: scale, x, lda: input, transposeA: true, p, ldb: Self.blockChannels, transposeB: false,
                            into: dw + place, ldc: output, accumulate: addWeight || map > 0)
                        MatrixMultiply.oneThread(
                            m: scale, n: input, k: width, p, lda: Self.blockChannels, transposeA: false, w + place, ldb: output, transposeB: true,
                            into: part, ldc: input, accumulate: n > 0)
                    }
                }
            }
            Threads.overBlocks(inputs, block: 16, parts: inputs < 1 << 15 ? 1 : ComputeContext.current.threads) { range in
                forEachPiece(range) { i, n in
                    var sum = addInput ? load(dx + i, n) : Vector()
                    for block in 0..<blocks { sum += load(parts + block * inputs + i, n) }
                    store(dx + i, sum, n)
                }
            }
        }
    }

    /// The transposed sparse sum: dP[n, t] = sum over cells of W[t, n, cell] dy[cell], in the order of the cells.
    private func spread(_ dy: UnsafePointer<Float>, width: Int, into products: UnsafeMutablePointer<Float>) {
        products.update(repeating: 0, count: scratchCount)
        mask.begins.withUnsafeBufferPointer { begins in
            mask.places.withUnsafeBufferPointer { places in
                mask.weights.withUnsafeBufferPointer { weights in
                    forEachCell { cell, valid in
                        guard let valid else { return }
                        let dy = dy + cell * output
                        let d0 = lanes(dy, width, 0), d1 = lanes(dy, width, 16), d2 = lanes(dy, width, 32), d3 = lanes(dy, width, 48)
                        for entry in Int(begins[valid])..<Int(begins[valid + 1]) {
                            let p = products + Int(places[entry]) * Self.blockChannels, weight = Vector(repeating: weights[entry])
                            store(p, load(p).addingProduct(weight, d0))
                            store(p + 16, load(p + 16).addingProduct(weight, d1))
                            store(p + 32, load(p + 32).addingProduct(weight, d2))
                            store(p + 48, load(p + 48).addingProduct(weight, d3))
                        }
                    }
                }
            }
        }
    }
}
