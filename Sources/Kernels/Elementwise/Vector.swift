/// Sixteen floats: one AVX-512 register, two of AVX2, four of SSE2.
@usableFromInline typealias Vector = SIMD16<Float>

@inline(__always) func load(_ pointer: UnsafePointer<Float>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
}

@inline(__always) func load(_ pointer: UnsafeMutablePointer<Float>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
}

@inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, _ value: Vector) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: Vector.self)
}

/// The first `count` (< 16) floats, zeros behind them. Not inlined: the pieces are many, and rows end with one at most.
@inline(never) func loadPart(_ pointer: UnsafePointer<Float>, _ count: Int) -> Vector {
    let (first, rest) = ends(count, 8)
    return Vector(lowHalf: load8(pointer, first), highHalf: load8(pointer + first, rest))
}

@inline(never) func storePart(_ pointer: UnsafeMutablePointer<Float>, _ value: Vector, _ count: Int) {
    let (first, rest) = ends(count, 8)
    store8(pointer, value.lowHalf, first)
    store8(pointer + first, value.highHalf, rest)
}

/// How many of `count` elements lie in the lower half of two times `half`, and how many in the upper.
@inline(__always) private func ends(_ count: Int, _ half: Int) -> (Int, Int) { count < half ? (count, 0) : (half, count &- half) }

@inline(__always) private func load8(_ pointer: UnsafePointer<Float>, _ count: Int) -> SIMD8<Float> {
    if count == 8 { return UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self) }
    let (first, rest) = ends(count, 4)
    return SIMD8(lowHalf: load4(pointer, first), highHalf: load4(pointer + first, rest))
}

@inline(__always) private func load4(_ pointer: UnsafePointer<Float>, _ count: Int) -> SIMD4<Float> {
    if count == 4 { return UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self) }
    return SIMD4(count > 0 ? pointer[0] : 0, count > 1 ? pointer[1] : 0, count > 2 ? pointer[2] : 0, 0)
}

@inline(__always) private func store8(_ pointer: UnsafeMutablePointer<Float>, _ value: SIMD8<Float>, _ count: Int) {
    if count == 8 { return UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD8<Float>.self) }
    let (first, rest) = ends(count, 4)
    store4(pointer, value.lowHalf, first)
    store4(pointer + first, value.highHalf, rest)
}

@inline(__always) private func store4(_ pointer: UnsafeMutablePointer<Float>, _ value: SIMD4<Float>, _ count: Int) {
    if count == 4 { return UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD4<Float>.self) }
    if count > 0 { pointer[0] = value.x }
    if count > 1 { pointer[1] = value.y }
    if count > 2 { pointer[2] = value.z }
}

/// Sum of the lanes, pairwise.
@inline(__always) func sum(_ v: Vector) -> Float {
    let a = v.lowHalf + v.highHalf
    let b = a.lowHalf + a.highHalf
    let c = b.lowHalf + b.highHalf
    return c.x + c.y
}

@inline(__always) func maximum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: a .< b) }

/// Calls `body(index, count)` for consecutive pieces of 16 elements and a shorter last one.
@inline(__always) func forEachPiece(_ range: Range<Int>, _ body: (_ index: Int, _ count: Int) -> Void) {
    var i = range.lowerBound
    while i &+ 16 <= range.upperBound {
        body(i, 16)
        i &+= 16
    }
    if i < range.upperBound { body(i, range.upperBound &- i) }
}

@inline(__always) func load(_ pointer: UnsafePointer<Float>, _ count: Int) -> Vector {
    count == 16 ? load(pointer) : loadPart(pointer, count)
}

@inline(__always) func load(_ pointer: UnsafeMutablePointer<Float>, _ count: Int) -> Vector {
    count == 16 ? load(pointer) : loadPart(pointer, count)
}

@inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, _ value: Vector, _ count: Int) {
    if count == 16 { store(pointer, value) } else { storePart(pointer, value, count) }
}

/// e^x, relative error below 2e-7; x is clamped to [-87.3, 88.3].
@inline(__always) func exponential(_ x: Vector) -> Vector {
    var x = x.replacing(with: 88.3, where: x .> 88.3)
    x = x.replacing(with: -87.3, where: x .< -87.3)
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits.
    let shifted = Vector(repeating: 12_582_912).addingProduct(x, Vector(repeating: 1.442_695_04))
    let n = shifted - 12_582_912
    var r = x.addingProduct(n, Vector(repeating: -0.693_145_752))
    r = r.addingProduct(n, Vector(repeating: -1.428_606_77e-6))
    var p = Vector(repeating: 1.987_569_15e-4)
    p = Vector(repeating: 1.398_199_95e-3).addingProduct(p, r)
    p = Vector(repeating: 8.333_451_9e-3).addingProduct(p, r)
    p = Vector(repeating: 4.166_579_6e-2).addingProduct(p, r)
    p = Vector(repeating: 1.666_666_55e-1).addingProduct(p, r)
    p = Vector(repeating: 5.000_000_1e-1).addingProduct(p, r)
    p = (r + 1).addingProduct(p, r * r)
    let scale = unsafeBitCast((unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- 0x4B40_0000 &+ 127) &<< 23, to: Vector.self)
    return p * scale
}

/// The error function, absolute error below 2e-7: a polynomial near zero, 1 - e^polynomial in the tails.
@inline(__always) func errorFunction(_ x: Vector) -> Vector {
    let t = x.replacing(with: -x, where: x .< 0)
    let s = x * x
    var r = Vector(repeating: 3.831_971_26e-4).addingProduct(Vector(repeating: -1.728_534_7e-5), t)
    let u = Vector(repeating: 2.425_462_19e-2).addingProduct(Vector(repeating: -3.883_964_38e-3), t)
    r = u.addingProduct(r, s)
    r = Vector(repeating: -1.067_778_77e-1).addingProduct(r, t)
    r = Vector(repeating: -6.348_466_87e-1).addingProduct(r, t)
    r = Vector(repeating: -1.287_175_12e-1).addingProduct(r, t)
    r = (-t).addingProduct(r, t)
    var tail = Vector(repeating: 1) - exponential(r)
    tail = tail.replacing(with: -tail, where: x .< 0)
    var q = Vector(repeating: -5.967_617_03e-4)
    q = Vector(repeating: 4.991_194_23e-3).addingProduct(q, s)
    q = Vector(repeating: -2.676_813_49e-2).addingProduct(q, s)
    q = Vector(repeating: 1.128_199_25e-1).addingProduct(q, s)
    q = Vector(repeating: -3.761_253_36e-1).addingProduct(q, s)
    q = Vector(repeating: 1.283_791_66e-1).addingProduct(q, s)
    let near = x.addingProduct(q, x)
    return near.replacing(with: tail, where: t .> 0.927_734_375)
}

/// 1 / (1 + e^-x).
@inline(__always) func logistic(_ x: Vector) -> Vector { Vector(repeating: 1) / (Vector(repeating: 1) + exponential(-x)) }
