import TrainingMethods

extension RunConfiguration {
    /// Everything at its default.
    public init() { self.init(registry: .standard) }

    /// Reads a configuration file that names detectors and methods of Kairos.
    ///
    /// - Throws: `Failure`: `.badInput` when the file cannot be read, `.wrongUsage` for what is wrong in it or in `overrides`.
    public init(path: String, overrides: [String] = []) throws { try self.init(path: path, overrides: overrides, registry: .standard) }

    /// Reads a configuration that names detectors and methods of Kairos.
    ///
    /// - Parameters:
    ///   - yaml: the text of the file.
    ///   - file: the name to say in errors.
    ///   - overrides: keys to set, `section.key=value`; later ones win.
    /// - Throws: `Failure` (`.wrongUsage`) for what is wrong in the text or in `overrides`.
    public init(yaml: String, file: String, overrides: [String] = []) throws {
        try self.init(yaml: yaml, file: file, overrides: overrides, registry: .standard)
    }
}
