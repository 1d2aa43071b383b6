import Diagnostics
import Foundation
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Matrix products and convolutions of both libraries and precisions against their naive twins, and their bits over thread counts.
final class ProductTests: XCTestCase {
    /// Lengths 1, 2, odd, uneven, beyond a tile of 32 and a piece of 256; an empty sequence.
    private static let packings: [[Int]] = [[0, 1], [0, 2], [0, 1, 3, 8], [0, 7, 9, 16], [0, 33], [0, 131, 131, 132, 420]]
    private static let shapes = [
        (kernel: 1, input: 3, output: 2), (1, 16, 33), (3, 1, 1), (3, 19, 5), (5, 16, 17), (3, 260, 20), (1, 520, 7), (3, 20, 520),
    ]
    private var random = RandomStream(seed: 3, "products")

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    override func tearDown() { ComputeContext.current = ComputeContext() }

    private func forBackends(_ body: (String) -> Void) {
        for backend in MatrixMultiplyBackend.allCases {
            ComputeContext.current.backend = backend
            body(backend.rawValue)
        }
    }

    private func product(
        _ m: Int, _ n: Int, _ k: Int, _ a: [Float], _ transposeA: Bool, _ b: [Float], _ transposeB: Bool, into c: inout [Float],
        accumulate: Bool = false, alpha: Float = 1
    ) {
        MatrixMultiply.multiply(
            m: m, n: n, k: k, a, lda: transposeA ? m : k, transposeA: transposeA, b, ldb: transposeB ? k : n, transposeB: transposeB, into: &c,
            ldc: n,
            accumulate: accumulate, alpha: alpha)
    }

    /// Without AVX-512 rows a multiple of 2 KiB apart are left to OpenBLAS, where they are not read along.
    func testTheLibraryFollowsFromTheShape() {
        func suits(_ lda: Int, _ transposeA: Bool, _ ldb: Int, _ transposeB: Bool, withAVX512: Bool = false) -> Bool {
            MatrixMultiply.suitsOneDNN(lda: lda, transposeA: transposeA, ldb: ldb, transposeB: transposeB, withAVX512: withAVX512)
        }
        for columns in [512, 1024, 2048] {
            XCTAssertFalse(suits(256, false, columns, false))
            XCTAssertFalse(suits(columns, true, 256, false))
            XCTAssertFalse(suits(columns, true, columns, true))
            XCTAssertTrue(suits(columns, false, columns, true))
            XCTAssertTrue(suits(columns, true, columns, false, withAVX512: true))
        }
        for columns in [1, 20, 256, 511, 520, 768] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                XCTAssertTrue(suits(columns, transposeA, columns, transposeB))
            }
        }
        for (m, n, k) in [(3, 512, 5), (512, 4, 5), (3, 4, 512), (7, 256, 9), (512, 512, 2)] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                let a = normals(m * k), b = normals(k * n)
                let lda = transposeA ? m : k, ldb = transposeB ? k : n
                func result(_ backend: MatrixMultiplyBackend) -> [UInt32] {
                    ComputeContext.current.backend = backend
                    var c = [Float](repeating: .nan, count: m * n)
                    product(m, n, k, a, transposeA, b, transposeB, into: &c)
                    return c.map(\.bitPattern)
                }
                let library =
                    suits(lda, transposeA, ldb, transposeB, withAVX512: OneDNN.usesAVX512) ? MatrixMultiplyBackend.onednn : .openblas
                XCTAssertEqual(result(.byShape), result(library), "\(m)x\(n)x\(k) \(transposeA) \(transposeB)")
            }
        }
    }

    func testMatrixMultiply() {
        forBackends { backend in
            for threads in [1, 2] {
                ComputeContext.current.threads = threads
                for (m, n, k) in [(1, 1, 1), (2, 3, 4), (17, 33, 19), (130, 31, 70), (5, 200, 300), (300, 7, 40), (2, 520, 9)] {
                    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                        let a = normals(m * k), b = normals(k * n), name = "\(backend) \(m)x\(n)x\(k) \(transposeA) \(transposeB)"
                        let expected = NaiveKernels.multiply(m: m, n: n, k: k, a, transposeA: transposeA, b, transposeB: transposeB)
                        var c = [Float](repeating: .nan, count: m * n)
                        product(m, n, k, a, transposeA, b, transposeB, into: &c)
                        assertClose(name, c, expected, absolute: 2e-5, relative: 1e-5)
                        product(m, n, k, a, transposeA, b, transposeB, into: &c, accumulate: true, alpha: 2)
                        assertClose(name + " accumulated", c, expected.map { 3 * $0 }, absolute: 6e-5, relative: 1e-5)
                    }
                }
                var c: [Float] = [5, 5]
                product(1, 2, 0, [1], false, [1], false, into: &c, accumulate: true)
                XCTAssertEqual(c, [5, 5])
                product(1, 2, 0, [1], false, [1], false, into: &c)
                XCTAssertEqual(c, [0, 0])
            }
        }
    }

    func testMatrixMultiplyOfSubmatrices() {
        // Heads are strided views: column blocks of wider matrices.
        let wide = 12, m = 5, k = 4
        let a = normals(m * wide), b = normals(m * wide)
        func block(_ x: [Float], _ column: Int) -> [Float] { (0..<m).flatMap { row in (0..<k).map { x[row * wide + column + $0] } } }
        let expected = NaiveKernels.multiply(m: m, n: m, k: k, block(a, 3), transposeA: false, block(b, 5), transposeB: true)
        forBackends { backend in
            var c = [Float](repeating: 0, count: m * m)
            a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    MatrixMultiply.multiply(
                        m: m, n: m, k: k, a.baseAddress! + 3, lda: wide, b.baseAddress! + 5, ldb: wide, transposeB: true, into: &c, ldc: m)
                }
            }
            assertClose("submatrices by \(backend)", c, expected, absolute: 1e-5)
        }
    }

    func testMatrixProductsDoNotDependOnTheThreadCount() {
        forBackends { backend in
            let shapes = [
                (64, 64, 64), (129, 70, 450), (777, 256, 450), (450, 256, 777), (256, 1024, 333), (1000, 12, 768), (50, 2, 768), (1025, 300, 40),
            ]
            for (m, n, k) in shapes {
                for (transposeA, transposeB) in [(false, false), (true, false), (false, true)] {
                    let a = normals(m * k), b = normals(k * n)
                    assertSameBitsOverThreads("\(backend) \(m)x\(n)x\(k) \(transposeA) \(transposeB)") {
                        var c = [Float](repeating: .nan, count: m * n)
                        product(m, n, k, a, transposeA, b, transposeB, into: &c)
                        return c
                    }
                }
            }
        }
    }

    private func assertSameBitsOverThreads(_ name: String, _ body: () -> [Float], line: UInt = #line) {
        ComputeContext.current.threads = 1
        let reference = body()
        XCTAssertFalse(reference.contains { $0.isNaN }, name, line: line)
        for threads in [2, 3, 4, 8] {
            ComputeContext.current.threads = threads
            XCTAssertTrue(
                body().map(\.bitPattern) == reference.map(\.bitPattern), "\(name): \(threads) threads give other bits than one", line: line)
        }
        ComputeContext.current.threads = 1
    }

    // MARK: Convolution

    private struct Example {
        var name: String
        var shape: Convolution
        var x: [Float], w: [Float], dy: [Float]
        /// Added to where gradients are added.
        var dx: [Float], dw: [Float]
    }

    private func forExamples(rounded: Bool, _ body: (Example) -> Void) {
        for offsets in Self.packings {
            for (kernel, input, output) in Self.shapes {
                let rows = offsets.last!
                func numbers(_ count: Int) -> [Float] { rounded ? normals(count).map(NaiveKernels.roundedToBFloat16) : normals(count) }
                body(
                    Example(
                        name: "kernel \(kernel), \(input) -> \(output), \(offsets)",
                        shape: Convolution(input: input, output: output, kernel: kernel, offsets: offsets), x: numbers(rows * input),
                        w: numbers(kernel * input * output), dy: numbers(rows * output), dx: normals(rows * input),
                        dw: normals(kernel * input * output)))
            }
        }
    }

    private func expected(_ e: Example) -> (y: [Float], dx: [Float], dw: [Float]) {
        // The shape of a linear layer has forgotten the sequences, which do not matter to it.
        let s = e.shape, offsets = s.kernel == 1 ? [0, e.x.count / s.input] : s.offsets
        let y = NaiveKernels.convolution(e.x, input: s.input, e.w, kernel: s.kernel, output: s.output, offsets: offsets)
        let (dx, dw) = NaiveKernels.convolutionGradients(e.x, input: s.input, e.w, kernel: s.kernel, output: s.output, offsets: offsets, e.dy)
        return (y, dx, dw)
    }

    private func check(
        _ name: String, _ e: Example, forward: (inout [Float], UnsafePointer<Float>?) -> Void, backwardInput: (inout [Float], Bool) -> Void,
        backwardWeight: (inout [Float], Bool) -> Void
    ) {
        let (y, dx, dw) = expected(e), s = e.shape
        // A sum of n products of standard normals is about sqrt(n) large, and so are its rounding errors.
        func rounding(_ terms: Int) -> Float { 2e-6 * Float(max(terms, 1)).squareRoot() }
        var result = [Float](repeating: .nan, count: y.count)
        forward(&result, nil)
        assertClose("\(name): y of \(e.name)", result, y, absolute: rounding(s.kernel * s.input), relative: 1e-5)
        let bias = normals(e.shape.output)
        bias.withUnsafeBufferPointer { forward(&result, $0.baseAddress) }
        assertClose(
            "\(name): y with bias of \(e.name)", result, y.indices.map { y[$0] + bias[$0 % s.output] },
            absolute: rounding(s.kernel * s.input), relative: 1e-5)
        for add in [false, true] {
            result = add ? e.dx : [Float](repeating: .nan, count: dx.count)
            backwardInput(&result, add)
            assertClose("\(name): dx of \(e.name)", result, add ? zip(e.dx, dx).map(+) : dx, absolute: rounding(s.kernel * s.output), relative: 1e-5)
            result = add ? e.dw : [Float](repeating: .nan, count: dw.count)
            backwardWeight(&result, add)
            assertClose("\(name): dw of \(e.name)", result, add ? zip(e.dw, dw).map(+) : dw, absolute: rounding(e.x.count / s.input), relative: 1e-5)
        }
    }

    func testConvolutionInFloat32() {
        forBackends { backend in
            forExamples(rounded: false) { e in
                for threads in [1, 2] {
                    ComputeContext.current.threads = threads
                    check(
                        "\(backend), \(threads) threads", e, forward: { e.shape.forward(e.x, e.w, bias: $1, into: &$0) },
                        backwardInput: { e.shape.backwardInput(e.dy, e.w, into: &$0, add: $1) },
                        backwardWeight: { dw, add in
                            var dy = e.dy
                            e.shape.backwardWeight(e.x, &dy, into: &dw, add: add)
                            XCTAssertEqual(dy, e.dy, "the gradient given has changed")
                        })
                }
            }
        }
    }

    /// With operands that are bfloat16 numbers already, products are as exact as in float32.
    func testConvolutionInBFloat16() throws {
        try requireBFloat16()
        forExamples(rounded: true) { e in
            let x = layout(e.x, e.shape.inputLayout), dy = layout(e.dy, e.shape.outputLayout)
            let forward = packed(e.w, e.shape.forwardWeights), backward = packed(e.w, e.shape.backwardWeights)
            for threads in [1, 2] {
                ComputeContext.current.threads = threads
                check(
                    "bfloat16, \(threads) threads", e, forward: { e.shape.forward(x, forward, bias: $1, into: &$0) },
                    backwardInput: { e.shape.backwardInput(dy, backward, into: &$0, add: $1) },
                    backwardWeight: { e.shape.backwardWeight(x, dy, into: &$0, add: $1) })
            }
        }
    }

    func testConvolutionsDoNotDependOnTheThreadCount() throws {
        let offsets = [0, 300, 301, 640, 1200], rows = 1200
        for (kernel, input, output) in [(1, 96, 130), (3, 140, 64), (3, 520, 20), (1, 300, 530)] {
            let shape = Convolution(input: input, output: output, kernel: kernel, offsets: offsets)
            let x = normals(rows * input), w = normals(kernel * input * output), dy = normals(rows * output)
            func forEachProduct(
                _ name: String, _ forward: @escaping (inout [Float]) -> Void, _ backwardInput: @escaping (inout [Float]) -> Void,
                _ backwardWeight: @escaping (inout [Float]) -> Void
            ) {
                for (what, count, body) in [("y", dy.count, forward), ("dx", x.count, backwardInput), ("dw", w.count, backwardWeight)] {
                    assertSameBitsOverThreads("\(name), kernel \(kernel), \(input) -> \(output): \(what)") {
                        var result = [Float](repeating: .nan, count: count)
                        body(&result)
                        return result
                    }
                }
            }
            forBackends { backend in
                forEachProduct(backend, { shape.forward(x, w, into: &$0) }, { shape.backwardInput(dy, w, into: &$0, add: false) }) {
                    var copy = dy
                    shape.backwardWeight(x, &copy, into: &$0, add: false)
                }
            }
            guard Processor.present.contains("avx512_bf16") else { continue }
            let roundedX = layout(x, shape.inputLayout), roundedDY = layout(dy, shape.outputLayout)
            let forward = packed(w, shape.forwardWeights), backward = packed(w, shape.backwardWeights)
            forEachProduct(
                "bfloat16", { shape.forward(roundedX, forward, into: &$0) },
                { shape.backwardInput(roundedDY, backward, into: &$0, add: false) },
                { shape.backwardWeight(roundedX, roundedDY, into: &$0, add: false) })
        }
    }

    func testNoRows() throws {
        let shape = Convolution(input: 2, output: 3, kernel: 3, offsets: [0, 0])
        var dw = [Float](repeating: 7, count: 18), none: [Float] = [0]
        shape.forward([0], normals(18), into: &none)
        XCTAssertEqual(none, [0])
        shape.backwardWeight([0], &none, into: &dw, add: true)
        XCTAssertEqual(dw, [Float](repeating: 7, count: 18))
        shape.backwardWeight([0], &none, into: &dw, add: false)
        XCTAssertEqual(dw, [Float](repeating: 0, count: 18))
        dw = [Float](repeating: 7, count: 18)
        shape.backwardWeight([BFloat16](repeating: 0, count: 512), [BFloat16](repeating: 0, count: 512), into: &dw, add: false)
        XCTAssertEqual(dw, [Float](repeating: 0, count: 18))
    }

    // MARK: Rounding

    private func requireBFloat16() throws {
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor does not multiply in bfloat16")
    }

    private func rounded(_ x: [Float]) -> [BFloat16] {
        var result = [BFloat16](repeating: 0xFFFF, count: x.count)
        convertToBFloat16(x, count: x.count, into: &result)
        return result
    }

    /// Weights in the order that products read; nil: as they are rounded.
    private func packed(_ w: [Float], _ order: PackedWeights?) -> [BFloat16] {
        guard let order else { return rounded(w) }
        var result = [BFloat16](repeating: 0xFFFF, count: order.count)
        order.pack(rounded(w), into: &result)
        return result
    }

    private func layout(_ x: [Float], _ layout: BFloat16Layout) -> [BFloat16] {
        // What is left undefined would be a not-a-number.
        var result = [BFloat16](repeating: 0xFFFF, count: layout.count)
        layout.convert(x, into: &result)
        return result
    }

    func testRounding() {
        var values: [Float] = [
            0, -0, 1, -1, 1.003_906_25, 1.011_718_75, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity, -.infinity,
            .leastNonzeroMagnitude,
            .leastNormalMagnitude, -3.3895314e38, 3.3961775e38, Float(bitPattern: 71_362),
        ]
        // Around ties: the lower half is 0x7FFF, 0x8000 and 0x8001 after even and odd upper halves.
        for upper: UInt32 in [0x3F80, 0x3F81, 0x0001, 0x7F7E, 0xC2FF] {
            for lower: UInt32 in [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF] { values.append(Float(bitPattern: upper << 16 | lower)) }
        }
        values += normals(1000)
        for count in [values.count, 1, 15, 17] {
            let some = Array(values.prefix(count))
            for (value, bits) in zip(some, rounded(some)) {
                XCTAssertEqual(UInt32(bits) << 16, NaiveKernels.roundedToBFloat16(value).bitPattern, "\(value)")
            }
        }
        for nan in [Float.nan, -.nan, .signalingNaN, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF)] {
            XCTAssertTrue(Float(bitPattern: UInt32(rounded([nan])[0]) << 16).isNaN)
        }
    }

    /// Rounding and summing in one pass gives what each gives alone.
    func testRoundingWithSums() {
        for (columns, kernel, offsets) in [(1, 1, [0, 1]), (17, 3, [0, 2, 2, 5]), (40, 5, [0, 131, 200]), (3, 1, [0, 0])] {
            let x = normals(offsets.last! * columns), layout = BFloat16Layout(columns: columns, kernel: kernel, offsets: offsets)
            for threads in [1, 2] {
                ComputeContext.current.threads = threads
                for add in [false, true] {
                    var result = [BFloat16](repeating: 0xFFFF, count: layout.count), sums = [Float](repeating: 2, count: columns), expected = sums
                    layout.convert(x, into: &result, sums: &sums, add: add)
                    Reductions.columnSums(x, rows: offsets.last!, channels: columns, into: &expected, add: add)
                    XCTAssertEqual(result, self.layout(x, layout), "\(columns) columns, \(offsets)")
                    XCTAssertEqual(sums, expected, "\(columns) columns, \(offsets)")
                }
            }
        }
    }

    func testLayoutSetsSequencesApart() {
        let layout = BFloat16Layout(columns: 1, kernel: 5, offsets: [0, 2, 2, 3])
        var result = [BFloat16](repeating: 0xFFFF, count: layout.count)
        ComputeContext.current.threads = 2
        layout.convert([1, 2, 3], into: &result)
        // Two rows of zeros before, between and behind; the empty sequence has its own.
        let expected: [Float] = [0, 0, 1, 2, 0, 0, 0, 0, 3]
        XCTAssertEqual(result.count, 96)
        XCTAssertEqual(result.map { Float(bitPattern: UInt32($0) << 16) }, expected + [Float](repeating: 0, count: 96 - expected.count))
    }
}
