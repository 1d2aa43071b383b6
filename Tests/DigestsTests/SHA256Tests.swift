import Digests
import XCTest

/// The examples of FIPS 180-4 (NIST, "Examples with Intermediate Values") and RFC 6234.
final class SHA256Tests: XCTestCase {
    private let examples = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ]

    func testThePublishedExamples() {
        for (text, digest) in examples { XCTAssertEqual(SHA256(text.utf8).hex(), digest, "\(text.utf8.count) bytes") }
    }

    func testPiecesAreAsTheWhole() {
        for (text, digest) in examples.dropLast() {
            let bytes = Array(text.utf8)
            for cut in 0...bytes.count {
                var hash = SHA256(bytes[..<cut])
                bytes[cut...].withUnsafeBytes { hash.update($0) }
                XCTAssertEqual(hash.hex(), digest, "\(bytes.count) bytes, cut at \(cut)")
            }
        }
        // Bytes that lie in no array.
        XCTAssertEqual(SHA256((0..<1_000_000).lazy.map { _ in UInt8(ascii: "a") }).hex(), examples[3].1)
    }

    func testAskingForTheDigestAndCopyingChangeNothing() {
        var hash = SHA256("ab".utf8)
        let copy = hash
        XCTAssertEqual(hash.bytes(), hash.bytes())
        hash.update("c".utf8)
        XCTAssertEqual(hash.hex(), examples[1].1)
        XCTAssertEqual(hash.bytes().count, 32)
        XCTAssertEqual(copy.hex(), SHA256("ab".utf8).hex())
        XCTAssertNotEqual(copy.hex(), hash.hex())
    }
}
