import Diagnostics
import Foundation
import TemporalAnnotations

extension PseudoLabelFile {
    /// Round and quality of the newest round among the `.json` files of a run's folder `pseudo_labels`; nil when there is none or it was not
    /// measured.
    public static func newestQuality(inFolder folder: String) throws -> (round: Int, quality: PseudoLabelQuality)? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var newest: (round: Int, quality: PseudoLabelQuality?)?
        for name in names.sorted() where name.hasSuffix(".json") {
            let path = folder + "/" + name
            guard let external = try JSONNode.read(path)["external_data"], let round = external["round"]?.number.flatMap(Int.init(exactly:)) else {
                throw Failure.badInput(
                    "the file holds detections, not pseudo-labels: 'external_data' has no 'round'", at: .file(path),
                    advice: "move what is no file of pseudo-labels out of the run's folder pseudo_labels")
            }
            if round >= newest?.round ?? .min { newest = (round, try quality("quality", external, path)) }
        }
        guard let newest, let quality = newest.quality else { return nil }
        return (newest.round, quality)
    }
}
