extension String {
    /// Text that a C function has written into a buffer: the bytes before the first zero, as UTF-8.
    package init(untilZero buffer: [CChar]) {
        self.init(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
