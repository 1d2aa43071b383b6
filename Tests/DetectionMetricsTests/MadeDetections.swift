import TemporalAnnotations

/// A recording of 100 s with actions of start, end and class.
func video(_ id: VideoID, _ instances: [(Double, Double, Int)]) -> VideoAnnotation {
    VideoAnnotation(
        id: id, subset: "Test", duration: 100, fps: nil,
        instances: instances.map { ActionInstance(segment: Segment(start: $0.0, end: $0.1), label: $0.2) })
}

func detection(_ id: VideoID, _ start: Double, _ end: Double, _ label: Int, _ score: Double) -> Detection {
    Detection(video: id, segment: Segment(start: start, end: end), label: label, score: score)
}
