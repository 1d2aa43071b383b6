import Autograd

/// A copy of a training's weights and their running average, to be put back later.
public struct SavedWeights: Equatable, Sendable {
    package let values: [Float]
    package let average: [Float]

    /// As many numbers each as the arena has.
    package init(values: [Float], average: [Float]) {
        self.values = values
        self.average = average
    }

    /// The present ones.
    package init(_ state: TrainingState) {
        func copy(_ values: UnsafePointer<Float>) -> [Float] { Array(UnsafeBufferPointer(start: values, count: state.arena.count)) }
        self.init(values: copy(state.arena.values), average: copy(state.average.values))
    }

    /// Those that a method's state holds as NAME_weights and NAME_average.
    ///
    /// - Throws: `Failure.badInput` when one of the two has not `count` numbers.
    package init(_ name: String, of state: [String: [UInt8]], count: Int) throws {
        func read(_ key: String) throws -> [Float] {
            let numbers: [Float] = StateBytes.values(state[key] ?? [])
            guard numbers.count == count else { throw StateBytes.damaged(key, in: state) }
            return numbers
        }
        try self.init(values: read(name + "_weights"), average: read(name + "_average"))
    }

    /// What a method's state holds of them: NAME_weights and NAME_average.
    package func state(_ name: String) -> [String: [UInt8]] {
        [name + "_weights": StateBytes.bytes(values), name + "_average": StateBytes.bytes(average)]
    }

    /// Puts them in the place of the present ones; the optimizer's moments stay.
    ///
    /// - Precondition: the state has as many parameters.
    package func putBack(into state: TrainingState) {
        precondition(values.count == state.arena.count && average.count == values.count)
        for i in values.indices {
            state.arena.values[i] = values[i]
            state.average.values[i] = average[i]
        }
        PreparedWeights.forget()
    }

    /// Makes the present ones `share` times these and 1 - `share` times what they are; the optimizer's moments stay.
    ///
    /// - Precondition: the state has as many parameters.
    package func mix(into state: TrainingState, share: Float) {
        precondition(values.count == state.arena.count && average.count == values.count)
        func mix(_ saved: [Float], _ present: UnsafeMutablePointer<Float>) {
            for i in saved.indices { present[i] = share * saved[i] + (1 - share) * present[i] }
        }
        mix(values, state.arena.values)
        mix(average, state.average.values)
        PreparedWeights.forget()
    }
}
