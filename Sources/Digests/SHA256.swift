import COpenSSL

/// SHA-256 (FIPS 180-4) over bytes that come in pieces, by OpenSSL. A copy goes on from what was added so far.
public struct SHA256 {
    private var state = SHA256_CTX()

    public init() { SHA256_Init(&state) }

    /// The digest of `bytes` alone.
    public init(_ bytes: some Sequence<UInt8>) {
        self.init()
        update(bytes)
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { SHA256_Update(&state, bytes.baseAddress, bytes.count) }

    public mutating func update(_ bytes: some Sequence<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) != nil { return }
        Array(bytes).withUnsafeBytes { update($0) }
    }

    /// The digest of everything added so far: 32 bytes.
    public func bytes() -> [UInt8] {
        var last = state
        return [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { buffer, count in
            SHA256_Final(buffer.baseAddress, &last)
            count = buffer.count
        }
    }

    /// The digest of everything added so far: 64 hexadecimal digits.
    public func hex() -> String { Self.hex(bytes()) }

    /// Two lower-case hexadecimal digits for each byte.
    public static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    }
}
