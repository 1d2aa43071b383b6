/// A record of an event file: the message `Event` (TensorFlow, `core/util/event.proto`), as far as Kairos writes it.
public struct BoardEvent: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        /// The first record of a file.
        case version(String)
        /// TensorBoard forgets what it has read of this step and later ones.
        case sessionStart
        case summary([SummaryValue])
        /// Of another writer.
        case other
    }

    /// Seconds since 1970-01-01 00:00 UTC.
    public var time: Double
    /// Steps done.
    public var step: Int
    public var content: Content

    public init(time: Double, step: Int, content: Content) {
        self.time = time
        self.step = step
        self.content = content
    }

    /// Of files whose session starts TensorBoard heeds.
    static let version = "brain.Event:2"
}

/// A named value of an event: `Summary.Value` (TensorFlow, `core/framework/summary.proto`).
public struct SummaryValue: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        case scalar(Float)
        case histogram(ScoreHistogram)
        /// Markdown.
        case text(String)
        /// Of another writer.
        case other
    }

    /// The part before the first "/" is its section on TensorBoard's pages.
    public var tag: String
    public var content: Content

    public init(tag: String, content: Content) {
        self.tag = tag
        self.content = content
    }
}

extension BoardEvent {
    /// The message's bytes.
    package var encoded: [UInt8] {
        var event = ProtobufMessage()
        event.add(1, double: time)
        event.add(2, integer: step)
        switch content {
        case .version(let version): event.add(3, text: version)
        case .summary(let values):
            var summary = ProtobufMessage()
            for value in values { summary.add(1, message: value.message) }
            event.add(5, message: summary)
        case .sessionStart:
            var session = ProtobufMessage()
            session.add(1, integer: 1)
            event.add(7, message: session)
        case .other: break
        }
        return event.bytes
    }

    /// Of an encoded message; nil for what is none.
    package init?(_ record: ArraySlice<UInt8>) {
        guard let event = ProtobufFields(record) else { return nil }
        let content: Content
        if let version = event.text(3) {
            content = .version(version)
        } else if let summary = event.all(5).last {
            guard let fields = ProtobufFields(summary) else { return nil }
            let values = fields.all(1).map { ProtobufFields($0).map(SummaryValue.init) }
            guard values.allSatisfy({ $0 != nil }) else { return nil }
            content = .summary(values.compactMap { $0 })
        } else if event.message(7)?.integer(1) == 1 {
            content = .sessionStart
        } else {
            content = .other
        }
        self.init(time: event.double(1), step: event.integer(2), content: content)
    }
}

extension SummaryValue {
    fileprivate var message: ProtobufMessage {
        var message = ProtobufMessage()
        message.add(1, text: tag)
        switch content {
        case .scalar(let value): message.add(2, float: value)
        case .histogram(let histogram): message.add(5, message: histogram.message)
        case .text(let text):
            // A tensor of one string: `DT_STRING`, no dimensions (`core/framework/tensor.proto`).
            var tensor = ProtobufMessage()
            tensor.add(1, integer: 7)
            tensor.add(2, message: ProtobufMessage())
            tensor.add(8, text: text)
            message.add(8, message: tensor)
            var plugin = ProtobufMessage(), metadata = ProtobufMessage()
            plugin.add(1, text: "text")
            metadata.add(1, message: plugin)
            message.add(9, message: metadata)
        case .other: break
        }
        return message
    }

    fileprivate init(_ fields: ProtobufFields) {
        tag = fields.text(1) ?? ""
        if let value = fields.float(2) {
            content = .scalar(value)
        } else if let histogram = fields.message(5) {
            content = .histogram(ScoreHistogram(histogram))
        } else if let text = fields.message(8)?.text(8) {
            content = .text(text)
        } else {
            content = .other
        }
    }
}
