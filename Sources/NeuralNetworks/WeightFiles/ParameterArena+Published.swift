import Diagnostics

extension ParameterArena {
    /// The weights with published names and PyTorch's shapes and layouts.
    ///
    /// - Parameter values: the weights or another array in the arena's order (their moving average); nil for the weights.
    public func published(_ values: UnsafePointer<Float>? = nil) -> [SafetensorsFile.Array] {
        let source = values ?? UnsafePointer(self.values)
        return parameters.map { parameter in
            SafetensorsFile.Array(
                name: parameter.name, shape: parameter.publishedShape, values: parameter.published(source + parameter.arenaOffset))
        }
    }

    /// Takes weights with published names, in PyTorch's layouts; the prefix `module.` of wrapped models is removed.
    ///
    /// - Parameters:
    ///   - arrays: of the weight file.
    ///   - file: its name, for messages.
    ///   - ignored: whether a name that the model does not have may be ignored (buffers of the published code).
    /// - Throws: `Failure.badInput` naming missing and unexpected tensors, or the first whose name, shape or values do not fit.
    public func load(published arrays: [SafetensorsFile.Array], file: String, ignoring ignored: (String) -> Bool = { _ in false }) throws {
        var byName: [String: SafetensorsFile.Array] = [:]
        for array in arrays {
            guard byName.updateValue(array, forKey: array.publishedName) == nil else {
                throw Failure.badInput(
                    "the tensor stands there twice, with and without the prefix 'module.'", at: .file(file), .parameter(array.publishedName),
                    advice: "keep one of the two")
            }
        }
        let missing = parameters.map(\.name).filter { byName[$0] == nil }
        let wanted = Set(parameters.map(\.name))
        let unexpected = byName.keys.filter { !wanted.contains($0) && !ignored($0) }.sorted()
        guard missing.isEmpty, unexpected.isEmpty else {
            var parts: [String] = []
            if !missing.isEmpty { parts.append("\(missing.count) of the model's \(parameters.count) tensors are missing (\(Self.few(missing)))") }
            if !unexpected.isEmpty {
                parts.append("\(unexpected.count) \(unexpected.count == 1 ? "is" : "are") not the model's (\(Self.few(unexpected)))")
            }
            throw Failure.badInput(
                "the weights are of another model: " + parts.joined(separator: "; "), at: .file(file),
                advice: "use the configuration the weights were trained with")
        }
        for parameter in parameters {
            guard let array = byName[parameter.name] else { continue }
            guard array.shape == parameter.publishedShape else {
                throw Failure.badInput(
                    "the tensor has shape \(array.shape), the model wants \(parameter.publishedShape)", at: .file(file), .parameter(parameter.name),
                    advice: "use the configuration the weights were trained with")
            }
            if let bad = array.values.firstIndex(where: { !$0.isFinite }) {
                throw Failure.badInput(
                    "value \(bad) is \(array.values[bad])", at: .file(file), .parameter(parameter.name),
                    advice: "export weights of a run that did not diverge")
            }
        }
        for parameter in parameters {
            guard let array = byName[parameter.name] else { continue }
            let native = array.values.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { parameter.native(fromPublished: $0) } ?? [] }
            for (i, value) in native.enumerated() { (values + parameter.arenaOffset)[i] = value }
        }
    }

    private static func few(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "")
    }
}

extension SafetensorsFile.Array {
    /// The name without the prefix `module.` of wrapped models.
    public var publishedName: String { name.hasPrefix("module.") ? String(name.dropFirst(7)) : name }
}
