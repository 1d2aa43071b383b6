import Configuration
import Detectors
import PostProcessing

/// Section `test`: from scores to detections, and how they are judged.
public struct TestConfiguration: ConfigurationSection {
    public var detection = DetectionSettings()
    /// Scores of a classifier of videos, JSON or .npy, and how they give detections their classes. null: the detector's classes.
    public var classScores: String?
    public var fusion = ClassScoreFusion()
    /// Where average precision is measured.
    public var tiouThresholds = [0.3, 0.4, 0.5, 0.6, 0.7]

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("pre_nms_thresh", &detection.preNMSThresh, .within(0...1), meaning: "scores must be above this")
        try keys.value("pre_nms_topk", &detection.preNMSTopK, .within(1...ConfigurationLimits.rows), unit: "candidates", meaning: "kept per level")
        try keys.value("iou_threshold", &detection.iouThreshold, .within(0...1), meaning: "tIoU from which hard NMS drops")
        try keys.value("min_score", &detection.minScore, .within(0...1), meaning: "scores that Soft-NMS has brought below this are dropped")
        try keys.value("max_seg_num", &detection.maxSegNum, .within(1...ConfigurationLimits.rows), unit: "detections", meaning: "kept per recording")
        try keys.value("nms_method", &detection.nmsMethod, meaning: "suppression; `none`: all candidates compete by score alone")
        try keys.value("nms_sigma", &detection.nmsSigma, .above(0), meaning: "width of Soft-NMS's Gaussian")
        try keys.value("duration_thresh", &detection.durationThresh, .atLeast(0), unit: "rows", meaning: "shorter candidates are dropped")
        try keys.value("multiclass_nms", &detection.multiclassNMS, meaning: "classes compete apart")
        try keys.value(
            "voting_thresh", &detection.votingThresh, .within(0...1),
            meaning: "tIoU from which neighbours vote on a detection's ends; 0: no voting; without effect with `multiclass_nms`")
        try keys.value(
            "class_scores", &classScores, unit: "path",
            meaning:
                "scores of a classifier of videos (JSON or .npy, [inference.md](inference.md#class-scores)): detections take their classes from it; "
                + "`null`: the detector's classes")
        try keys.value(
            "class_scores_top_k", &fusion.topK, .within(1...1000), unit: "classes", meaning: "every detection is repeated for so many of the best")
        try keys.value("class_scores_rule", &fusion.rule, meaning: "detection's score times class's: `product`, or its square `root`")
        try keys.value(
            "tiou_thresholds", &tiouThresholds,
            Requirement("ascending, above 0 and at most 1, at least one") { values in
                !values.isEmpty && values.allSatisfy { $0 > 0 && $0 <= 1 } && zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
            }, meaning: "where average precision is measured")
    }
}
