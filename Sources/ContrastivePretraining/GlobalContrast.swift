import Collectives
import DataParallel
import Diagnostics
import RandomStreams

/// Contrast over the global mini-batch: frames gathered from all virtual shards, each shard's loss of its own anchors against all rows, gradients
/// returned to the shards whose rows they belong to.
///
/// Labels, loss and gradients have the same bits for every number of ranks. All ranks call each function together.
public struct GlobalContrast {
    private let shards: VirtualShards
    private let communicator: Communicator
    private let rows: GlobalRows

    public init(shards: VirtualShards, communicator: Communicator) {
        self.shards = shards
        self.communicator = communicator
        rows = GlobalRows(shards: shards, communicator: communicator)
    }

    public typealias GatheredRows = GlobalRows.Gathered

    /// - Parameters:
    ///   - owned: for each shard of this rank its rows, [rows, columns]; a shard may have none.
    ///   - columns: values of a row.
    public func gather(_ owned: [[Float]], columns: Int) throws -> GatheredRows { try rows.gather(owned, columns: columns) }

    /// Fine-grained classes of all rows: every rank clusters the same rows with the same stream, so no message is needed.
    ///
    /// - Parameters:
    ///   - inputs: input features of the sampled frames.
    ///   - clusters: the most clusters.
    ///   - random: the same on all ranks.
    public func cluster(_ inputs: GatheredRows, clusters: Int, random: inout RandomStream) -> [Int] {
        KMeans(inputs.values, rows: inputs.rows, columns: inputs.columns, clusters: clusters, random: &random).labels
    }

    /// InfoNCE over all gathered rows.
    ///
    /// - Parameters:
    ///   - embeddings: of the sampled frames.
    ///   - labels: one per gathered row, the same on all ranks.
    ///   - temperature: what similarities are divided by.
    /// - Returns: the whole loss, and for each shard of this rank the gradient with respect to its rows, of the same size as they.
    public func infoNCE(_ embeddings: GatheredRows, labels: [Int], temperature: Float = 0.1) throws -> (loss: Double, gradients: [[Float]]) {
        precondition(labels.count == embeddings.rows)
        let anchorCount = InfoNCE.anchorsWithPositives(labels)
        var losses: [Double] = []
        let gradients = try rows.returned(embeddings) { shard in
            let part = InfoNCE(
                embeddings.values, columns: embeddings.columns, labels: labels, anchors: embeddings.rows(of: shard), anchorCount: anchorCount,
                temperature: temperature)
            losses.append(part.loss)
            return part.gradient
        }
        return (try DeterministicSum(shards: shards, communicator: communicator)(losses), gradients)
    }
}
