/// A message in the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as it is written.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
    private mutating func append(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }
    private mutating func begin(_ field: Int, wire: UInt64) { append(varint: UInt64(field) << 3 | wire) }

    mutating func add(_ field: Int, integer: Int) {
        begin(field, wire: 0)
        append(varint: UInt64(bitPattern: Int64(integer)))
    }
    mutating func add(_ field: Int, double: Double) {
        begin(field, wire: 1)
        append(double.bitPattern)
    }
    mutating func add(_ field: Int, float: Float) {
        begin(field, wire: 5)
        append(float.bitPattern)
    }
    mutating func add(_ field: Int, bytes content: some Collection<UInt8>) {
        begin(field, wire: 2)
        append(varint: UInt64(content.count))
        bytes += content
    }
    mutating func add(_ field: Int, text: String) { add(field, bytes: text.utf8) }
    mutating func add(_ field: Int, message: ProtobufMessage) { add(field, bytes: message.bytes) }
    /// A repeated field, packed.
    mutating func add(_ field: Int, doubles: [Double]) {
        begin(field, wire: 2)
        append(varint: UInt64(8 * doubles.count))
        for double in doubles { append(double.bitPattern) }
    }
}

/// The fields of a message as they are read: of a number that comes several times, all, in their order.
struct ProtobufFields {
    private enum Value { case varint(UInt64), fixed64(UInt64), fixed32(UInt32), bytes(ArraySlice<UInt8>) }
    private var values: [(field: Int, value: Value)] = []

    /// nil for what is no message.
    init?(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = rest.popFirst() else { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }
        func take(_ count: UInt64) -> ArraySlice<UInt8>? {
            guard count <= UInt64(rest.count) else { return nil }
            defer { rest = rest.dropFirst(Int(count)) }
            return rest.prefix(Int(count))
        }
        while !rest.isEmpty {
            guard let key = varint(), let field = Int(exactly: key >> 3), field > 0 else { return nil }
            switch key & 7 {
            case 0:
                guard let value = varint() else { return nil }
                values.append((field, .varint(value)))
            case 1:
                guard let bytes = take(8) else { return nil }
                values.append((field, .fixed64(Self.number(bytes))))
            case 2:
                guard let count = varint(), let bytes = take(count) else { return nil }
                values.append((field, .bytes(bytes)))
            case 5:
                guard let bytes = take(4) else { return nil }
                values.append((field, .fixed32(UInt32(Self.number(bytes)))))
            default: return nil
            }
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    /// Of the last one, which counts; the default of the format where there is none.
    func integer(_ field: Int) -> Int {
        if case .varint(let value)? = values.last(where: { $0.field == field })?.value { Int(Int64(bitPattern: value)) } else { 0 }
    }
    func double(_ field: Int) -> Double {
        if case .fixed64(let value)? = values.last(where: { $0.field == field })?.value { Double(bitPattern: value) } else { 0 }
    }
    /// nil where there is none.
    func float(_ field: Int) -> Float? {
        if case .fixed32(let value)? = values.last(where: { $0.field == field })?.value { Float(bitPattern: value) } else { nil }
    }
    func all(_ field: Int) -> [ArraySlice<UInt8>] {
        values.compactMap { if $0.field == field, case .bytes(let bytes) = $0.value { bytes } else { nil } }
    }
    func text(_ field: Int) -> String? { all(field).last.map { String(decoding: $0, as: UTF8.self) } }
    func message(_ field: Int) -> ProtobufFields? { all(field).last.flatMap { ProtobufFields($0) } }
    /// Packed.
    func doubles(_ field: Int) -> [Double] {
        all(field).flatMap { bytes in
            stride(from: bytes.startIndex, to: bytes.endIndex - 7, by: 8).map { Double(bitPattern: Self.number(bytes[$0..<$0 + 8])) }
        }
    }
}
