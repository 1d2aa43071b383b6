import FeatureStore
import HDF5
import XCTest

final class ContentDigestTests: XCTestCase {
    func testDigestIsSHA256OfTheDocumentedBytes() {
        // python3: hashlib.sha256(struct.pack('<q',1)+b'w'+struct.pack('<qqq',2,1,2)+struct.pack('<q',8)+struct.pack('<ff',1,2)).hexdigest()
        var digest = ContentDigest()
        let values: [Float] = [1, 2]
        digest.add(name: "w", shape: [1, 2], floats: values, count: 2)
        XCTAssertEqual(digest.hex(), "de87db749b874076e6716d4d62a5e191f710ff15ab0c86dc16c61924fa74d847")
    }

    func testNamesShapesAndValuesCount() {
        func digest(_ name: String, _ shape: [Int], _ values: [Float]) -> String {
            var digest = ContentDigest()
            digest.add(name: name, shape: shape, floats: values, count: values.count)
            return digest.hex()
        }
        let all = [digest("w", [2], [1, 2]), digest("v", [2], [1, 2]), digest("w", [1, 2], [1, 2]), digest("w", [2], [2, 1])]
        XCTAssertEqual(Set(all).count, 4)
        XCTAssertEqual(digest("w", [2], [1, 2]), all[0])
    }
}
