import FeatureStore
import HDF5
import NeuralNetworks

extension SafetensorsFile {
    /// SHA-256 over names, shapes and values, names sorted.
    public var digest: String {
        var digest = ContentDigest()
        for array in arrays.sorted(by: { $0.name < $1.name }) {
            array.values.withUnsafeBytes { digest.add(name: array.name, shape: array.shape, $0) }
        }
        return digest.hex()
    }
}
