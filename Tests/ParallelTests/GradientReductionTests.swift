import Autograd
import Collectives
import DataParallel
import Diagnostics
import NeuralNetworks
import RandomStreams
import XCTest

/// The reduction against the tree's definition, computed on every rank from all shards' gradients, bit by bit.
final class GradientReductionTests: XCTestCase {
    private typealias Options = GradientReduction.Options
    private var world: Communicator!

    override func setUpWithError() throws {
        world = try Communicator.world()
        try world.barrier()
    }

    /// Parameters without a network.
    private final class Parameters: Module {
        let parameters: [Parameter]
        init(_ counts: [Int]) { parameters = counts.map { Parameter(.vector, count: $0, isDecayed: false, initialization: .constant(0)) } }
        func visitParameters(_ visitor: ParameterVisitor) {
            for (index, parameter) in parameters.enumerated() { visitor.visit("p\(index)", parameter) }
        }
    }

    /// The same numbers on every rank, of very different sizes, so that the order of additions shows.
    private func gradient(step: Int, shard: Int, parameter: Int, count: Int) -> [Float] {
        var generator = SplitMix(state: UInt64(step * 1_000_003 + shard * 10_007 + parameter * 101 + 1))
        return (0..<count).map { _ in
            Float.random(in: -1...1, using: &generator) * Float(sign: .plus, exponent: Int.random(in: -12...12, using: &generator), significand: 1)
        }
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private func naiveSum(_ values: [[Float]], level: Int, index: Int, _ precision: Options.Precision) -> [Float]? {
        guard index << level < values.count else { return nil }
        if level == 0 { return values[index].map { rounded($0, precision) } }
        let left = naiveSum(values, level: level - 1, index: 2 * index, precision)
        guard let left, let right = naiveSum(values, level: level - 1, index: 2 * index + 1, precision) else { return left }
        return zip(left, right).map { rounded($0 + $1, precision) }
    }

    private func treeSum(_ values: [[Float]], _ precision: Options.Precision) -> [Float] {
        naiveSum(values, level: (0...).first { 1 << $0 >= values.count }!, index: 0, precision)!
    }

    /// By comparing the two neighbours.
    private func rounded(_ value: Float, _ precision: Options.Precision) -> Float {
        guard precision == .bfloat16 else { return value }
        let below = Float(bitPattern: value.bitPattern & 0xFFFF_0000), above = Float(bitPattern: ((value.bitPattern >> 16) + 1) << 16)
        let toBelow = abs(Double(value) - Double(below)), toAbove = abs(Double(above) - Double(value))
        if toBelow == toAbove { return below.bitPattern & 0x1_0000 == 0 ? below : above }
        return toBelow < toAbove ? below : above
    }

    /// What a parameter does in a shard's pass.
    private enum Part: CaseIterable { case once, twice, unused, usedForNothing }

    private func part(step: Int, shard: Int, parameter: Int) -> Part {
        var generator = SplitMix(state: UInt64(step * 77 + shard * 1_009 + parameter * 13 + 5))
        return [.once, .once, .once, .twice, .unused, .usedForNothing].randomElement(using: &generator)!
    }

    private func run(
        counts: [Int], shards count: Int, bucket: Int, steps: Int = 3, options: Options = Options(), hosts: [Int]? = nil,
        order: (inout SplitMix, Int) -> [Int]
    ) throws {
        var options = options
        options.bucketElements = bucket
        let place = "parameters \(counts), \(count) shards, \(options), hosts \(hosts ?? world.hosts), \(world.size) ranks"
        let arena = ParameterArena(Parameters(counts))
        let shards = try VirtualShards(count: count, communicator: world)
        let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: options, hosts: hosts)
        if let hosts, options.isHierarchical {
            let isInPairs = world.size == 4 && (options.group == 2 || hosts == [0, 0, 2, 2])
            XCTAssertEqual(reduction.groupSizes, isInPairs ? [2, 2] : [world.size], place)
        }
        for step in 0..<steps {
            reduction.beginStep()
            for shard in shards.owned {
                let tape = Tape()
                reduction.beginShard(shard, tape: tape)
                record(step: step, shard: shard, arena: arena, tape: tape, order: order)
                tape.backward()
                reduction.finishShard()
            }
            try reduction.finishStep()
            for (index, parameter) in arena.parameters.enumerated() {
                let all = (0..<count).map { shard -> [Float] in
                    let values = gradient(step: step, shard: shard, parameter: index, count: parameter.count)
                    switch part(step: step, shard: shard, parameter: index) {
                    case .once: return values
                    case .twice: return values.map { $0 + 0.5 }
                    case .unused, .usedForNothing: return values.map { _ in 0 }
                    }
                }
                let sum = UnsafeBufferPointer(start: arena.gradients + parameter.arenaOffset, count: parameter.count)
                XCTAssertEqual(sum.map(\.bitPattern), treeSum(all, options.precision).map(\.bitPattern), "step \(step), parameter \(index): \(place)")
                XCTAssertEqual(parameter.tensor.gradientArray, Array(sum), "the tensor sees the sum: \(place)")
            }
        }
    }

    /// Puts operations on the tape whose backward writes the gradients, in an order of its own for every shard.
    private func record(step: Int, shard: Int, arena: ParameterArena, tape: Tape, order: (inout SplitMix, Int) -> [Int]) {
        var generator = SplitMix(state: UInt64(step * 31 + shard * 7 + 3))
        for index in order(&generator, arena.parameters.count) {
            let parameter = arena.parameters[index]
            let values = gradient(step: step, shard: shard, parameter: index, count: parameter.count)
            func write(_ value: @escaping (Int) -> Float) {
                tape.record(leaves: [parameter.tensor]) {
                    let (pointer, adds) = parameter.tensor.gradientToWrite()
                    for i in 0..<parameter.count { pointer[i] = adds ? pointer[i] + value(i) : value(i) }
                }
            }
            switch part(step: step, shard: shard, parameter: index) {
            case .once: write { values[$0] }
            case .twice:
                write { values[$0] }
                tape.record {}
                write { _ in 0.5 }
            case .unused: break
            case .usedForNothing: tape.record(leaves: [parameter.tensor]) {}
            }
        }
    }

    private func forAllShardCounts(_ body: (Int) throws -> Void) throws {
        for count in [1, 2, 4, 6, 8, 12] where count % world.size == 0 { try body(count) }
    }

    func testSameBitsAsTheDefinition() throws {
        for counts in [[1], [2], [17], [1, 2, 3, 5, 31, 33], [100, 7, 1_000, 16, 64, 9], [1_000, 1, 999]] {
            for bucket in [1, 48, 1 << 20] {
                try forAllShardCounts { try run(counts: counts, shards: $0, bucket: bucket) { _, count in Array(0..<count) } }
            }
        }
    }

    func testGradientsReadyInAnyOrder() throws {
        for bucket in [16, 200] {
            try forAllShardCounts {
                try run(counts: [40, 3, 90, 16, 1, 250, 17], shards: $0, bucket: bucket, steps: 5) { generator, count in
                    Array(0..<count).shuffled(using: &generator)
                }
            }
        }
    }

    /// Rounding belongs to the tree's values, whoever holds them.
    func testBFloat16IsTheRoundedTree() throws {
        for bucket in [1, 48, 1 << 20] {
            try forAllShardCounts {
                try run(counts: [100, 7, 1_000, 16, 64, 9], shards: $0, bucket: bucket, options: Options(precision: .bfloat16)) { _, count in
                    Array(0..<count)
                }
            }
        }
    }

    /// Order, overlap and levels change no bit.
    func testWaysOfTravelling() throws {
        let layouts: [[Int]] = world.size == 4 ? [[0, 0, 2, 2], [0, 0, 0, 3], [0, 1, 0, 1], [0, 1, 2, 3]] : [Array(0..<world.size)]
        for order in Options.Order.allCases {
            for overlaps in [true, false] {
                for precision in Options.Precision.allCases {
                    for (hosts, group) in layouts.flatMap({ layout in [2, 8].map { (layout, $0) } }) {
                        try forAllShardCounts {
                            let options = Options(overlaps: overlaps, order: order, precision: precision, group: group)
                            try run(counts: [40, 3, 90, 16, 1, 250, 17], shards: $0, bucket: 48, steps: 2, options: options, hosts: hosts) {
                                generator, count in
                                Array(0..<count).shuffled(using: &generator)
                            }
                        }
                    }
                }
            }
        }
    }

    /// One bucket of one line: some ranks have nothing to add up, at either level.
    func testLessThanALinePerRank() throws {
        for precision in Options.Precision.allCases {
            try forAllShardCounts {
                try run(
                    counts: [3], shards: $0, bucket: 16, options: Options(precision: precision), hosts: world.size == 4 ? [0, 0, 2, 2] : nil
                ) { _, count in Array(0..<count) }
            }
        }
    }

    /// Two hosts of two ranks: what leaves a host is halved, and halved again in bfloat16.
    func testBytesBetweenHosts() throws {
        try XCTSkipIf(world.size != 4, "needs 4 ranks")
        func bytes(_ options: Options) throws -> Int {
            let arena = ParameterArena(Parameters([6_400]))
            let shards = try VirtualShards(count: 4, communicator: world)
            let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: options, hosts: [0, 0, 2, 2])
            reduction.beginStep()
            reduction.beginShard(world.rank, tape: Tape())
            reduction.finishShard()
            try reduction.finishStep()
            XCTAssertLessThanOrEqual(reduction.sentBytesBetweenHosts, reduction.sentBytes)
            return try world.allReduce(reduction.sentBytesBetweenHosts, .sum)
        }
        // Every rank a quarter of its gradient to each of two ranks, then its quarter of the sum.
        let flat = try bytes(Options(isHierarchical: false))
        XCTAssertEqual(flat, 4 * 2 * 2 * 6_400 / 4 * 4)
        XCTAssertEqual(try bytes(Options()), flat / 2)
        XCTAssertEqual(try bytes(Options(precision: .bfloat16)), flat / 4)
        XCTAssertEqual(try bytes(Options(group: 2)), flat / 2)
    }

    /// What a rank sends is what its plan says, and no more than one level sends.
    func testMessagesAreThoseOfThePlan() throws {
        func sent(_ options: Options) throws -> (messages: Int, planned: Int, bytes: Int, sizes: [Int]) {
            let arena = ParameterArena(Parameters([6_400, 6_400]))
            let shards = try VirtualShards(count: world.size, communicator: world)
            let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: options, hosts: world.hosts)
            reduction.beginStep()
            reduction.beginShard(world.rank, tape: Tape())
            reduction.finishShard()
            try reduction.finishStep()
            return (reduction.sentMessages, reduction.messagesPerStep, reduction.sentBytes, reduction.groupSizes)
        }
        let flat = try sent(Options(bucketElements: 6_400, group: 1_024)), pairs = try sent(Options(bucketElements: 6_400, group: 2))
        XCTAssertEqual(flat.messages, 2 * 2 * (world.size - 1))
        XCTAssertEqual(flat.messages, flat.planned)
        XCTAssertEqual(pairs.messages, pairs.planned)
        XCTAssertEqual(pairs.bytes, flat.bytes)
        if [1, 2, 4, 8, 16].contains(world.size) {
            let levels = world.size.trailingZeroBitCount
            XCTAssertEqual(pairs.sizes, world.size == 1 ? [1] : [Int](repeating: 2, count: levels))
            XCTAssertEqual(pairs.messages, 2 * 2 * levels)
        }
    }

    func testWithoutOverlapNothingLeavesEarly() throws {
        for (order, expected) in [(Options.Order.ready, 6), (.backward, 6), (.forward, 6)] {
            for overlaps in [true, false] {
                let arena = ParameterArena(Parameters([1_000, 1_000, 1_000]))
                let shards = try VirtualShards(count: world.size, communicator: world)
                let reduction = GradientReduction(
                    arena: arena, communicator: world, shards: shards, options: Options(bucketElements: 500, overlaps: overlaps, order: order))
                reduction.beginStep()
                let tape = Tape()
                reduction.beginShard(world.rank, tape: tape)
                for parameter in arena.parameters {
                    let tensor = parameter.tensor
                    tape.record(leaves: [tensor]) { tensor.gradientToWrite().pointer.update(repeating: 1, count: parameter.count) }
                }
                tape.backward()
                reduction.finishShard()
                try reduction.finishStep()
                XCTAssertEqual(reduction.overlappedBuckets, overlaps && world.size > 1 ? expected : 0, "\(order)")
            }
        }
    }

    func testLargeBucketsAreExact() throws {
        let count = world.size * 2
        try run(counts: [50_001, 12, 25_000], shards: count, bucket: 20_000, steps: 2) { _, count in Array(0..<count) }
    }

    func testBucketsLeaveWhileBackwardRuns() throws {
        let arena = ParameterArena(Parameters([1_000, 1_000, 1_000]))
        let shards = try VirtualShards(count: world.size * 2, communicator: world)
        let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: .init(bucketElements: 500))
        XCTAssertEqual(reduction.bucketCount, 6)
        reduction.beginStep()
        for shard in shards.owned {
            let tape = Tape()
            reduction.beginShard(shard, tape: tape)
            for parameter in arena.parameters {
                tape.record(leaves: [parameter.tensor]) { parameter.tensor.gradientToWrite().pointer.update(repeating: 1, count: parameter.count) }
            }
            tape.backward()
            reduction.finishShard()
        }
        try reduction.finishStep()
        XCTAssertEqual(arena.parameters[1].tensor.gradientArray, [Float](repeating: Float(shards.count), count: 1_000))
        XCTAssertEqual(reduction.overlappedBuckets, world.size == 1 ? 0 : 6)
        XCTAssertEqual(reduction.sentBytes > 0, world.size > 1)
        // Of 3,024 elements all slices but the own one go out, the own one to every other rank.
        let lines = arena.count / 16
        if world.size == 2, lines % 2 == 0 { XCTAssertLessThanOrEqual(abs(reduction.sentBytes - arena.count * 4), 6 * 64) }
        XCTAssertGreaterThanOrEqual(reduction.waitedSeconds, 0)
    }

    func testAGradientAnnouncedTwiceIsRefusedOnEveryRank() throws {
        let arena = ParameterArena(Parameters([10, 20]))
        let shards = try VirtualShards(count: world.size, communicator: world)
        let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: .init(bucketElements: 16))
        for isRight in [false, true] {
            reduction.beginStep()
            let tape = Tape()
            reduction.beginShard(shards.owned.lowerBound, tape: tape)
            for _ in 0..<(isRight ? 1 : 2) {
                tape.record(leaves: [arena.parameters[1].tensor]) {
                    arena.parameters[1].tensor.gradientToWrite().pointer.update(repeating: 1, count: 20)
                }
                tape.backward()
            }
            reduction.finishShard()
            if isRight {
                XCTAssertNoThrow(try reduction.finishStep())
                XCTAssertEqual(arena.parameters[1].tensor.gradientArray, [Float](repeating: Float(world.size), count: 20))
            } else {
                XCTAssertThrowsError(try reduction.finishStep()) {
                    XCTAssertEqual(
                        "\($0)",
                        """
                        error: the gradient was announced twice in one shard, its first part may have been sent already
                          where: parameter 'p1'
                          do: run a shard's forward and backward on one tape, once
                        """)
                }
            }
        }
    }

    func testSumsOfLossesAreTheSameBitsForEveryRankCount() throws {
        try forAllShardCounts { count in
            let shards = try VirtualShards(count: count, communicator: world)
            let sum = DeterministicSum(shards: shards, communicator: world)
            let all = (0..<count).map { shard in gradient(step: 0, shard: shard, parameter: 0, count: 3).map { Double($0) / 3 } }
            func naive(_ level: Int, _ index: Int, _ column: Int) -> Double? {
                guard index << level < count else { return nil }
                if level == 0 { return all[index][column] }
                let left = naive(level - 1, 2 * index, column)
                guard let left, let right = naive(level - 1, 2 * index + 1, column) else { return left }
                return left + right
            }
            let height = (0...).first { 1 << $0 >= count }!
            let expected = (0..<3).map { naive(height, 0, $0)! }
            XCTAssertEqual(try sum(shards.owned.map { all[$0] }).map(\.bitPattern), expected.map(\.bitPattern), "\(count) shards")
            XCTAssertEqual(try sum(shards.owned.map { all[$0][1] }).bitPattern, expected[1].bitPattern, "\(count) shards")
            XCTAssertEqual(try sum.counts([world.rank, 1]), [world.size * (world.size - 1) / 2, world.size])
        }
    }

    func testShardsThatRanksDoNotDivideAreRefused() throws {
        try XCTSkipIf(world.size == 1, "one rank takes any number")
        XCTAssertThrowsError(try VirtualShards(count: world.size + 1, communicator: world)) {
            XCTAssertEqual(
                ($0 as? Failure)?.what, "\(world.size + 1) virtual shards cannot be shared out evenly over \(world.size) ranks")
        }
    }
}
