/// TFRecord framing: length (UInt64), masked CRC-32C of the length, the record, masked CRC-32C of the record; little-endian
/// (TensorFlow, `core/lib/io/record_writer.cc`).
package enum RecordFraming {
    /// A record within its frame.
    package static func frame(_ record: [UInt8]) -> [UInt8] {
        let length = bytes(UInt64(record.count))
        return length + bytes(CRC32C.masked(length)) + record + bytes(CRC32C.masked(record))
    }

    /// The records that a file holds.
    ///
    /// - Returns: the whole records before the first fault, and why what follows is none: `nil` when nothing follows.
    package static func records(_ file: [UInt8]) -> (records: [ArraySlice<UInt8>], fault: Fault?) {
        var records: [ArraySlice<UInt8>] = [], place = 0
        while place < file.count {
            guard file.count - place >= 12 else { return (records, .halfWritten) }
            let length = file[place..<place + 8]
            guard number(file[place + 8..<place + 12]) == UInt64(CRC32C.masked(length)) else { return (records, .damaged) }
            let count = number(length)
            guard count <= UInt64(file.count - place - 12), file.count - place - 12 - Int(count) >= 4 else { return (records, .halfWritten) }
            let first = place + 12, last = first + Int(count)
            guard number(file[last..<last + 4]) == UInt64(CRC32C.masked(file[first..<last])) else { return (records, .damaged) }
            records.append(file[first..<last])
            place = last + 4
        }
        return (records, nil)
    }

    package enum Fault: Equatable {
        /// The file ends within a record: it is being written, or its writer was killed.
        case halfWritten
        /// A checksum does not fit.
        case damaged
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
