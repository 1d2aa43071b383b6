import Configuration

/// The configuration of one detector: what pyramids share, read and set as if it were its own, and what it alone has.
@dynamicMemberLookup
public protocol PyramidDetectorConfiguration: DetectorSettings {
    var pyramid: PyramidConfiguration { get set }
    /// What the detector alone has is at its default.
    init(_ pyramid: PyramidConfiguration)
    /// The largest distance to an action's end that a point can say, in strides of its level; nil: any.
    var farthestEnd: Float? { get }
}

extension PyramidDetectorConfiguration {
    /// Everything at its default.
    public init() { self.init(PyramidConfiguration()) }
    /// Everything at its default.
    public init(inputDimension: Int, classes: Int) { self.init(PyramidConfiguration(inputDimension: inputDimension, classes: classes)) }

    /// The members of `pyramid`, as if they were the configuration's own.
    public subscript<Value>(dynamicMember key: WritableKeyPath<PyramidConfiguration, Value>) -> Value {
        get { pyramid[keyPath: key] }
        set { pyramid[keyPath: key] = newValue }
    }

    public var levels: Int { pyramid.levels }
    public var farthestEnd: Float? { nil }
}

/// What the settings of pyramids share.
extension PyramidDetectorConfiguration {
    public static var hasClassWeights: Bool { true }
    public static var qualityBranches: [QualityBranches] { QualityBranches.allCases }
    public static var givesPseudoLabels: Bool { true }
    public static var hasLevels: Bool { true }
    public var expectedDimension: Int? { pyramid.expectedDimension }
    public var usualRows: Int { pyramid.maximumLength }

    /// That of the finest level that is responsible.
    public func pointSpacing(forLength rows: Double) -> Int {
        1 << (pyramid.regressionRanges.firstIndex { Double($0.lowerBound) <= rows && Double($0.upperBound) >= rows / 2 } ?? 0)
    }

    /// Obstacles that wider or finer regression ranges remove; nil for the others, which no key removes.
    public func advice(against obstacle: TargetObstacle) -> SettingAdvice? {
        let keys = ["model.regression_range"]
        switch obstacle {
        case .regressionRange: return SettingAdvice(keys: keys, "widen model.regression_range until a level covers such lengths")
        case .betweenPoints: return SettingAdvice(keys: keys, "let finer levels cover such lengths in model.regression_range")
        case .outsideRows, .betweenRows, .centerSampling, .shorterActions: return nil
        }
    }

    public var sizeKeys: [String] { ["model.embd_dim", "model.fpn_dim", "model.head_dim", "model.head_kernel_size"] }

    /// The configuration with what the data and the other sections say.
    package func completed(inputDimension: Int, classes: Int, options: DetectorOptions) -> Self {
        var result = self
        (result.pyramid.inputDimension, result.pyramid.classes, result.pyramid.options) = (inputDimension, classes, options)
        return result
    }
}
