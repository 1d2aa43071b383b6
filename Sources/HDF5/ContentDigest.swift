import Digests

/// SHA-256 over named arrays: names, shapes and values, in the order they are added. Says whether two files hold the same, however they were written.
///
/// What is hashed for each array, all integers as 8 bytes little-endian: the length of the name and its UTF-8 bytes, the number of sizes and the
/// sizes, the number of value bytes, and the values as they lie in memory (little-endian). `docs/feature-store.md` repeats this for readers.
public struct ContentDigest {
    private var hash = SHA256()

    public init() {}

    /// Adds an array of float32.
    public mutating func add(name: String, shape: [Int], floats: UnsafePointer<Float>, count: Int) {
        add(name: name, shape: shape, UnsafeRawBufferPointer(start: floats, count: count * MemoryLayout<Float>.stride))
    }

    /// Adds bytes as an array of one dimension.
    public mutating func add(name: String, bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        bytes.withUnsafeBytes { add(name: name, shape: [bytes.count], $0) }
    }

    /// Adds the UTF-8 bytes of a text.
    public mutating func add(name: String, text: String) { add(name: name, bytes: Array(text.utf8)) }

    /// Adds an array of float64; without a shape, of one dimension.
    public mutating func add(name: String, shape: [Int]? = nil, doubles: [Double]) {
        doubles.withUnsafeBytes { add(name: name, shape: shape ?? [doubles.count], $0) }
    }

    /// Adds an array of 64-bit integers; without a shape, of one dimension.
    public mutating func add(name: String, shape: [Int]? = nil, integers: [Int]) {
        integers.withUnsafeBytes { add(name: name, shape: shape ?? [integers.count], $0) }
    }

    /// Each string is one array of bytes.
    public mutating func add(name: String, strings: [String]) {
        add(name: name, shape: [strings.count], UnsafeRawBufferPointer(start: nil, count: 0))
        for (index, string) in strings.enumerated() { add(name: "\(name)/\(index)", text: string) }
    }

    /// Values as they are stored.
    public mutating func add(name: String, shape: [Int], _ values: UnsafeRawBufferPointer) {
        add(integer: name.utf8.count)
        hash.update(name.utf8)
        add(integer: shape.count)
        for size in shape { add(integer: size) }
        add(integer: values.count)
        hash.update(values)
    }

    private mutating func add(integer: Int) {
        withUnsafeBytes(of: UInt64(bitPattern: Int64(integer)).littleEndian) { hash.update($0) }
    }

    /// The digest of everything added so far: 32 bytes.
    public func bytes() -> [UInt8] { hash.bytes() }

    /// The digest of everything added so far: 64 hexadecimal digits.
    public func hex() -> String { hash.hex() }
}
