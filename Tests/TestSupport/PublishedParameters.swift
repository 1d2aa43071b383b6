import HDF5
import NeuralNetworks

extension ParameterArena {
    /// Takes the values of a golden file, which has them in PyTorch's order under `params/`.
    public func take(published file: HDF5File) throws {
        for parameter in parameters {
            let values = parameter.native(fromPublished: try file.readFloats("params/\(parameter.name)"))
            for (i, value) in values.enumerated() { parameter.values[i] = value }
        }
    }
}
