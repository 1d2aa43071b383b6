import Autograd
import Collectives
import DataParallel
import Diagnostics
import Foundation
import Kernels
import NeuralNetworks

/// Sums of arrays over all ranks, by the deterministic tree and by `MPI_Allreduce`, and messages between two ranks.
package struct CollectivesBenchmark {
    /// A way to sum an array over all ranks.
    package enum Way: String, CaseIterable {
        case tree, treeBFloat16 = "tree, bfloat16", treeFlat = "tree, one level", treePairs = "tree, pairs", mpi = "MPI_Allreduce"

        /// Ranks that exchange pieces at each level; none for MPI.
        package func groupSizes(hosts: [Int]) -> [Int] {
            options.map { ReductionPlan.sizes(ranks: hosts.count, hosts: $0.isHierarchical ? hosts : [], group: $0.group) } ?? []
        }

        var options: GradientReduction.Options? {
            switch self {
            case .tree: .init(bucketElements: 1_048_576)
            case .treeBFloat16: .init(bucketElements: 1_048_576, precision: .bfloat16)
            case .treeFlat: .init(bucketElements: 1_048_576, isHierarchical: false, group: .max)
            case .treePairs: .init(bucketElements: 1_048_576, group: 2)
            case .mpi: nil
            }
        }
    }

    /// Parameters without a network.
    private final class Gradient: Module {
        let parameter: Parameter
        init(_ count: Int) { parameter = Parameter(.vector, count: count, isDecayed: false, initialization: .constant(0)) }
        func visitParameters(_ visitor: ParameterVisitor) { visitor.visit("array", parameter) }
    }

    private let world: Communicator
    private let repetitions: Int

    package init(world: Communicator, repetitions: Int) {
        self.world = world
        self.repetitions = repetitions
    }

    /// What one size took: for every way the seconds of each repetition, of the slowest rank. Ways take turns, so that what else runs meets all
    /// alike.
    package func sum(bytes: Int, ways: [Way]) throws -> [Way: [Double]] {
        let count = max(1, bytes / 4)
        var sums: [(way: Way, once: () throws -> Double)] = []
        for way in ways {
            guard let options = way.options else {
                let values = CheckedMemory.zeroedOrEnd(Float.self, count: count, for: "\(count) numbers to be summed")
                sums.append((way, { try timed { try world.allReduce(values, count: count, .sum) } }))
                continue
            }
            let arena = ParameterArena(Gradient(count)), shards = try VirtualShards(count: world.size, communicator: world)
            let reduction = GradientReduction(arena: arena, communicator: world, shards: shards, options: options)
            sums.append(
                (
                    way,
                    {
                        let tape = Tape()
                        reduction.beginStep()
                        reduction.beginShard(world.rank, tape: tape)
                        // Backward has written it.
                        _ = arena.parameters[0].tensor.gradientToWrite()
                        return try timed {
                            reduction.finishShard()
                            try reduction.finishStep()
                        }
                    }
                ))
        }
        var seconds: [Way: [Double]] = [:]
        for repetition in 0...repetitions {
            for (way, once) in sums {
                let taken = try once()
                if repetition > 0 { seconds[way, default: []].append(taken) }
            }
        }
        return seconds
    }

    private func timed(_ body: () throws -> Void) throws -> Double {
        try world.barrier()
        let began = StepReport.now()
        try body()
        return try world.allReduce(StepReport.now() - began, .max)
    }

    /// The least seconds that a message takes from rank 0 to `other`: half of there and back. The same on all ranks.
    package func message(bytes: Int, to other: Int) throws -> Double {
        var buffer = [Float](repeating: 0, count: max(1, bytes / 4)), least = Double.infinity
        let count = buffer.count
        for repetition in 0...repetitions {
            try world.barrier()
            guard world.rank == 0 || world.rank == other else { continue }
            let partner = world.rank == 0 ? other : 0
            let began = StepReport.now()
            try buffer.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                if world.rank == 0 { try world.send(base, count: count, to: partner) }
                try world.receive(base, count: count, from: partner)
                if world.rank != 0 { try world.send(base, count: count, to: partner) }
            }
            if repetition > 0 { least = min(least, (StepReport.now() - began) / 2) }
        }
        return try world.broadcast(least)
    }
}
