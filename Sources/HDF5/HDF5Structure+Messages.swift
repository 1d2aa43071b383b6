/// What object headers hold.
extension HDF5Structure {
    /// What matters of an object beyond one message.
    struct ObjectHeader {
        var group: (tree: Int, heap: Int)?
        fileprivate var type: DataType?
        fileprivate var values: Int?
        /// Bytes of the values; where they lie in one piece, and where that stands.
        fileprivate var storage: (count: Int, place: Int?, named: Int)?
    }

    fileprivate struct DataType {
        /// In the message.
        var length: Int
        /// Of a value.
        var size: Int
        /// Values are lengths and places in a global heap; bytes of one element there.
        var elementSize: Int?
    }

    mutating func message(_ kind: Int, _ message: HDF5Bytes, isShared: Bool, into header: inout ObjectHeader, depth: Int) throws {
        guard !isShared else { return try shared(message, depth: depth) }
        switch kind {
        case 0x01: header.values = try space(message).values
        case 0x03: header.type = try type(message, depth: 0)
        case 0x04: _ = try message.part(4, Int(Int32(truncatingIfNeeded: try message.number(0, bytes: 4))).clampedToZero)
        case 0x05: try fillValue(message)
        case 0x08: try layout(message, into: &header)
        case 0x0c: try attribute(message, depth: depth)
        case 0x11: header.group = (Int(clamping: try message.number(0)), Int(clamping: try message.number(8)))
        case 0x0d: _ = try message.text(0)
        case 0x0e: _ = try message.part(0, 16)
        case 0x12: _ = try message.part(0, 8)
        case 0x13: _ = try message.part(0, 7)
        default: break
        }
    }

    /// A message that stands elsewhere.
    private mutating func shared(_ message: HDF5Bytes, depth: Int) throws {
        let version = message.count > 0 ? message.bytes[0] : 0
        guard 1...3 ~= version else { throw Fault(what: "a shared message of no known version", place: message.place) }
        let place = try message.number(version == 1 ? 8 : 2)
        // Version 3 may lead into a heap that classic files lack.
        if version == 3, message.bytes[1] == 1 { return }
        _ = try object(Int(clamping: place), depth: depth + 1)
    }

    private func space(_ message: HDF5Bytes) throws -> (length: Int, values: Int?) {
        let version = try message.number(0, bytes: 1), rank = Int(try message.number(1, bytes: 1)), flags = try message.number(2, bytes: 1)
        guard 1...2 ~= version, rank <= 32 else { throw Fault(what: "a shape of \(rank) sizes", place: message.place) }
        let first = version == 1 ? 8 : 4
        let lists = 1 + (flags & 1 != 0 ? 1 : 0) + (version == 1 && flags & 2 != 0 ? 1 : 0)
        _ = try message.part(first, 8 * rank * (rank > 0 ? lists : 1))
        var values: Int? = try version == 2 && message.number(3, bytes: 1) == 2 ? 0 : 1
        for index in 0..<rank {
            let size = Int(exactly: try message.number(first + 8 * index))
            guard let count = values, let size else { return (first + 8 * rank * lists, nil) }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            values = overflow ? nil : product
        }
        return (first + 8 * rank * lists, values)
    }

    fileprivate func type(_ message: HDF5Bytes, depth: Int) throws -> DataType {
        guard depth <= 8 else { throw Fault(what: "a type of types more than 8 deep", place: message.place) }
        let first = try message.number(0, bytes: 1), bits = Int(try message.number(1, bytes: 3)), size = Int(try message.number(4, bytes: 4))
        let kind = first & 15, version = first >> 4
        guard 1...3 ~= version, size > 0 else { throw Fault(what: "a type of version \(version) and \(size) bytes", place: message.place) }
        func base(_ place: Int) throws -> DataType { try type(try message.part(place, max(0, message.count - place)), depth: depth + 1) }
        /// After a name, which older versions fill up to 8 bytes.
        func afterName(_ place: Int) throws -> Int {
            let length = try message.text(place) + 1
            return place + (version < 3 ? (length + 7) / 8 * 8 : length)
        }
        switch kind {
        case 0, 4:
            _ = try message.part(8, 4)
            return DataType(length: 12, size: size)
        case 1:
            _ = try message.part(8, 12)
            return DataType(length: 20, size: size)
        case 2:
            _ = try message.part(8, 2)
            return DataType(length: 10, size: size)
        case 3, 7: return DataType(length: 8, size: size)
        case 5:
            _ = try message.part(8, bits & 255)
            return DataType(length: 8 + bits & 255, size: size)
        case 6:
            var place = 8
            let offsetBytes = version < 3 ? 4 : size < 256 ? 1 : size < 65_536 ? 2 : size < 1 << 24 ? 3 : 4
            for _ in 0..<bits & 65_535 {
                place = try afterName(place)
                let offset = Int(try message.number(place, bytes: offsetBytes))
                place += offsetBytes + (version == 1 ? 28 : 0)
                let member = try base(place)
                guard offset <= size, member.size <= size - offset else { throw Fault(what: "a part beyond its whole", place: message.place + place) }
                place += member.length
            }
            return DataType(length: place, size: size)
        case 8:
            let values = try base(8)
            var place = 8 + values.length
            for _ in 0..<bits & 65_535 { place = try afterName(place) }
            _ = try message.part(place, (bits & 65_535) * values.size)
            guard values.size == size else { throw Fault(what: "an enumeration of another size", place: message.place) }
            return DataType(length: place + (bits & 65_535) * values.size, size: size)
        case 9:
            let element = try base(8)
            guard size == 16 else { throw Fault(what: "a list of \(size) bytes", place: message.place) }
            return DataType(length: 8 + element.length, size: size, elementSize: element.size)
        case 10:
            let rank = Int(try message.number(8, bytes: 1))
            let place = (version < 3 ? 12 : 9) + 4 * rank * (version < 3 ? 2 : 1)
            let element = try base(place)
            guard rank <= 32, element.size <= size else { throw Fault(what: "an array type of \(rank) sizes", place: message.place) }
            return DataType(length: place + element.length, size: size)
        default: throw Fault(what: "a type of no known kind", place: message.place)
        }
    }

    private func fillValue(_ message: HDF5Bytes) throws {
        let version = try message.number(0, bytes: 1)
        switch version {
        case 1, 2:
            guard try version == 1 || message.number(3, bytes: 1) != 0 else { return }
            _ = try message.part(8, Int(Int32(truncatingIfNeeded: try message.number(4, bytes: 4))).clampedToZero)
        case 3:
            guard try message.number(1, bytes: 1) & 0x20 != 0 else { return }
            _ = try message.part(6, Int(try message.number(2, bytes: 4)))
        default: throw Fault(what: "a fill value of no known version", place: message.place)
        }
    }

    private func layout(_ message: HDF5Bytes, into header: inout ObjectHeader) throws {
        // Other versions stand in files of other forms.
        guard try message.number(0, bytes: 1) == 3 else {
            guard 1...4 ~= message.bytes[0] else { throw Fault(what: "a layout of no known version", place: message.place) }
            return
        }
        switch try message.number(1, bytes: 1) {
        case 0:
            let values = try message.part(4, Int(try message.number(2, bytes: 2)))
            header.storage = (values.count, nil, message.place)
        case 1:
            let place = try message.number(2), count = try message.number(10)
            guard place != Self.undefined else { return }
            guard place <= UInt64(end), count <= UInt64(end) - place else {
                throw Fault(what: "values beyond the end of the file", place: message.place)
            }
            header.storage = (Int(count), Int(place), message.place)
        case 2:
            let rank = Int(try message.number(2, bytes: 1)), place = try message.number(3)
            guard 1...33 ~= rank, place == Self.undefined || place < UInt64(end) else {
                throw Fault(what: "chunks of \(rank) sizes", place: message.place)
            }
            for index in 0..<rank where try message.number(11 + 4 * index, bytes: 4) == 0 { throw Fault(what: "empty chunks", place: message.place) }
        default: throw Fault(what: "a layout of no known kind", place: message.place)
        }
    }

    private mutating func attribute(_ message: HDF5Bytes, depth: Int) throws {
        let version = try message.number(0, bytes: 1), flags = try message.number(1, bytes: 1)
        guard 1...3 ~= version else { throw Fault(what: "an attribute of no known version", place: message.place) }
        let sizes = try [2, 4, 6].map { Int(try message.number($0, bytes: 2)) }
        func padded(_ size: Int) -> Int { version == 1 ? (size + 7) / 8 * 8 : size }
        var place = version == 3 ? 9 : 8
        let name = try message.part(place, sizes[0])
        guard try name.text(0) > 0 else { throw Fault(what: "an attribute without a name", place: message.place) }
        place += padded(sizes[0])
        let typeBytes = try message.part(place, sizes[1])
        place += padded(sizes[1])
        let spaceBytes = try message.part(place, sizes[2])
        place += padded(sizes[2])
        guard version == 1 || flags & 3 == 0 else {
            if flags & 1 != 0 { try shared(typeBytes, depth: depth) }
            return
        }
        let type = try type(typeBytes, depth: 0)
        guard let values = try space(spaceBytes).values, values <= 65_536, type.size <= 65_536 || values == 0 else {
            throw Fault(what: "an attribute larger than 64 KiB", place: message.place)
        }
        let data = try message.part(place, values * type.size)
        if let elementSize = type.elementSize { try references(data, values, elementSize) }
    }

    /// Values that lie in a global heap: length, place and number of each.
    private mutating func references(_ data: HDF5Bytes, _ values: Int, _ elementSize: Int) throws {
        for index in 0..<values {
            let length = Int(try data.number(16 * index, bytes: 4)), place = try data.number(16 * index + 4)
            // Empty.
            if length == 0 || place == 0 || place == Self.undefined { continue }
            let sizes = try collection(Int(clamping: place))
            let (bytes, overflow) = length.multipliedReportingOverflow(by: elementSize)
            guard !overflow, sizes[Int(try data.number(16 * index + 12, bytes: 4))] == bytes else {
                throw Fault(what: "a text that its heap does not hold", place: data.place + 16 * index)
            }
        }
    }

    /// Of a dataset: the values have room, and those that lie in a heap are there.
    mutating func requireValues(_ header: ObjectHeader) throws {
        guard let storage = header.storage, let type = header.type else { return }
        let values = header.values ?? Int.max
        let (needed, overflow) = values.multipliedReportingOverflow(by: type.size)
        guard !overflow, needed <= storage.count else {
            throw Fault(what: "\(values) values of \(type.size) bytes in \(storage.count) bytes", place: storage.named)
        }
        guard let place = storage.place, let elementSize = type.elementSize else { return }
        try references(try read(place, needed), needed / 16, elementSize)
    }
}

extension Int {
    /// The library writes -1 for what is not there.
    fileprivate var clampedToZero: Int { Swift.max(0, self) }
}
