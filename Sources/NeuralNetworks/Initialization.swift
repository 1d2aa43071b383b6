import RandomStreams

/// How a parameter is initialised.
public enum Initialization: Equatable, Sendable {
    case constant(Float)
    /// Given values, one per element.
    case values([Float])
    /// Uniform in [-bound, bound]: PyTorch's default for convolutions and linear layers with bound = 1 / sqrt(inputs seen by one output).
    case uniform(bound: Float)
    /// Normal with this standard deviation.
    case normal(deviation: Float)
    /// Normal with this standard deviation, drawn again beyond two of them.
    case truncatedNormal(deviation: Float)
}

extension Module {
    /// Sets every parameter to its initial values. The numbers depend on the seed and the parameter's name alone, so that adding a layer
    /// does not change the others.
    public func initializeParameters(seed: UInt64) {
        for (name, parameter) in namedParameters {
            var stream = RandomStream(seed: seed, "initial " + name)
            let values = parameter.values
            switch parameter.initialization {
            case .constant(let value):
                values.update(repeating: value)
            case .values(let array):
                for (i, value) in array.enumerated() { values[i] = value }
            case .uniform(let bound):
                for i in values.indices { values[i] = stream.uniform(-bound, bound) }
            case .normal(let deviation):
                for i in values.indices { values[i] = stream.normal() * deviation }
            case .truncatedNormal(let deviation):
                for i in values.indices {
                    var z = stream.normal()
                    while abs(z) > 2 { z = stream.normal() }
                    values[i] = z * deviation
                }
            }
        }
    }
}
