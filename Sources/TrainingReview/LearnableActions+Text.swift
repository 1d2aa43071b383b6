import Detectors
import Foundation
import Sampling
import TemporalAnnotations
import TrainingMethods

/// What is said of actions that cannot be learnt.
extension LearnableActions {
    /// "they lie between two rows, for example 'run' at [0.1, 0.4] s of 'v0': it is ...".
    func describe(_ group: Group, _ subject: String) -> String {
        let isOne = group.count == 1
        let what =
            switch group.obstacle {
            case .outsideRows: isOne ? "lies where no row stands" : "lie where no row stands"
            case .betweenRows: isOne ? "lies between two rows" : "lie between two rows"
            case .regressionRange:
                isOne ? "has a length that no pyramid level is responsible for" : "have lengths that no pyramid level is responsible for"
            case .betweenPoints:
                isOne ? "has no point of the levels responsible for its length" : "have no point of the levels responsible for their lengths"
            case .centerSampling: isOne ? "has no point near enough its centre" : "have no point near enough their centres"
            case .shorterActions: isOne ? "shares all its points with shorter actions" : "share all their points with shorter actions"
            case .cropsDropIt: isOne ? "is dropped by every crop" : "are dropped by every crop"
            case .crops: isOne ? "has no positive point in any crop" : "have no positive point in any crop"
            case .reach: isOne ? "has ends that no point in it reaches" : "have ends that no point in them reaches"
            }
        let example = group.example, segment = example.instance.segment
        let place = "'\(store.classes.names[example.instance.label])' at [\(Self.short(segment.start)), \(Self.short(segment.end))] s"
        return "\(subject) \(what), \(isOne ? "" : "for example ")\(place) of '\(store.videos[example.video].id.name)': \(figures(group))"
    }

    private func figures(_ group: Group) -> String {
        let example = group.example, video = store.videos[example.video], grid = video.grid
        let onGrid = grid.gridSegment(example.instance.segment), length = Self.short(Double(onGrid.length))
        switch group.obstacle {
        case .outsideRows:
            let first = Self.short(grid.seconds(atPosition: 0)), last = Self.short(grid.seconds(atPosition: Double(video.rows - 1)))
            return video.rows == 1 ? "its one row stands at \(first) s" : "its \(video.rows) rows stand at \(first) to \(last) s"
        case .betweenRows:
            return "it is \(Self.short(example.instance.segment.length)) s long, rows stand \(Self.short(grid.stride / grid.fps)) s apart"
        case .regressionRange:
            let half = Self.short(Double(onGrid.length) / 2)
            return "it is \(length) rows long, so its points lie \(half) to \(length) rows from its farther end"
        case .betweenPoints:
            return "it is \(length) rows long, the points of these levels stand \(finestStride(onGrid)) rows apart or more"
        case .centerSampling:
            return "it is \(length) rows long, points stand \(finestStride(onGrid)) rows apart and count up to "
                + "\(Self.short(configuration.training.centerSampleRadius)) of that from the centre"
        case .shorterActions: return "it is \(length) rows long"
        case .cropsDropIt:
            let crop = longestCrop(video.rows)
            let seen = cropping.mostSeen(start: onGrid.start, end: onGrid.end, rows: video.rows, halfWindow: Cropping.halfWindow(grid))
            return "it is \(length) rows long, a crop of \(crop) rows sees at most \(Self.short(Double(seen))) of them, "
                + "less than \(Self.short(configuration.data.truncThresh)) of the action"
        case .crops: return "it is \(length) rows long, crops have at most \(longestCrop(video.rows)) rows"
        case .reach:
            return "it is \(length) rows long, \(configuration.model.reachLimit.map { "with \($0.what) " } ?? "")the tIoU of a prediction is at most "
                + Self.short(Double(example.reach))
        }
    }

    func keys(_ group: Group) -> [String] {
        switch group.obstacle {
        case .outsideRows, .betweenRows, .shorterActions: []
        case .regressionRange: settingAdvice(.regressionRange)?.keys ?? []
        case .betweenPoints: settingAdvice(.betweenPoints)?.keys ?? []
        case .centerSampling: ["training.center_sample_radius"]
        case .cropsDropIt, .crops: [cropKey(group)]
        case .reach: configuration.model.reachLimit?.advice.keys ?? []
        }
    }

    func advice(_ group: Group) -> String {
        switch group.obstacle {
        case .outsideRows: "import the features again with the stride, window and fps that they were extracted with"
        case .betweenRows: Self.otherFeatures
        case .regressionRange: settingAdvice(.regressionRange)?.text ?? Self.otherFeatures
        case .betweenPoints: settingAdvice(.betweenPoints)?.text ?? Self.otherFeatures
        case .centerSampling: "raise training.center_sample_radius, or set training.center_sample to none"
        case .shorterActions: "look whether actions are annotated twice"
        case .cropsDropIt: "raise \(cropKey(group)), or lower data.trunc_thresh"
        case .crops: "raise \(cropKey(group))"
        case .reach: configuration.model.reachLimit?.advice.text ?? Self.otherFeatures
        }
    }

    private static let otherFeatures = "use features of a smaller stride"

    private func settingAdvice(_ obstacle: TargetObstacle) -> SettingAdvice? { configuration.model.advice(against: obstacle) }

    private func cropKey(_ group: Group) -> String {
        if let most = cropping.maximumRows, store.videos[group.example.video].rows > most { return "data.max_rows" }
        return "data.crop_ratio"
    }

    private func longestCrop(_ rows: Int) -> Int { min(cropping.lengths(rows).upperBound, rows) }

    /// Rows between the points of the finest level that is responsible for a segment.
    private func finestStride(_ segment: GridSegment) -> Int { configuration.model.pointSpacing(forLength: Double(segment.length)) }

    /// Up to four digits.
    package static func short(_ x: Double) -> String { String(format: "%.4g", x) }
}
