import Autograd
import Kernels
import NeuralNetworks

/// `x W + b`. Published names `weight` and `bias`.
package final class GraphLinear: Module {
    private let weight: Parameter
    private let bias: Parameter

    private init(_ layout: ParameterLayout, _ input: Int, _ output: Int, weight first: Initialization, bias firstBias: Initialization) {
        weight = Parameter(layout, count: input * output, isDecayed: true, initialization: first)
        bias = Parameter(.vector, count: output, isDecayed: false, initialization: firstBias)
    }

    /// `A X W + b`, of the product A X. Published layout [input, output].
    static func convolution(_ input: Int, _ output: Int) -> GraphLinear {
        let bound = 1 / Float(max(output, 1)).squareRoot()
        return GraphLinear(.matrix(rows: input, columns: output), input, output, weight: .uniform(bound: bound), bias: .uniform(bound: bound))
    }

    /// A layer that begins near 0. Published layout [output, input].
    static func head(_ input: Int, _ output: Int) -> GraphLinear {
        GraphLinear(
            .kernelOverMaps(kernel: [], input: input, output: output), input, output, weight: .normal(deviation: 0.001), bias: .constant(0))
    }

    package func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        visitor.visit("bias", bias)
    }

    /// - Parameter x: [rows, input].
    package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Tensor { pass.tape.linear(x, weight: weight.tensor, bias: bias.tensor) }
}

/// Two graph convolutions over trees of proposals, `A ReLU(A X W1 + b1) W2 + b2`, computed at the root alone.
///
/// A X W is computed as (A X) W, at the nodes that have children; features are not learnt, so A and A X need no gradient. Published names `gc1`, `gc2`.
package final class TreeConvolutions: Module {
    private let first: GraphLinear
    private let second: GraphLinear
    private let dropoutProbability: Float

    package init(_ columns: Int, hidden: Int, dropout: Float) {
        first = .convolution(columns, hidden)
        second = .convolution(hidden, columns)
        dropoutProbability = dropout
    }

    package func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("gc1", first)
        visitor.visit("gc2", second)
    }

    /// - Parameters:
    ///   - x: [proposals, columns].
    ///   - trees: rows of x, tree by tree.
    ///   - tree: their shape.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    /// - Returns: `joined`, [trees, 2 columns]: what the convolutions make of the root, then its own features; `hidden` as in `hidden`.
    package func callAsFunction(
        _ x: Tensor, trees: [Int], _ tree: TreeAggregation, _ pass: ForwardPass
    ) -> (joined: Tensor, hidden: Tensor) {
        let count = trees.count / tree.nodes
        let roots = Tensor(rows: count, columns: x.columns, requiresGradient: false)
        if !Rehearsal.isRunning {
            for i in 0..<count { (roots.values + i * x.columns).update(from: x.values + trees[i * tree.nodes] * x.columns, count: x.columns) }
        }
        let (hidden, weights) = hidden(x, trees: trees, tree, pass)
        let kept = dropout(hidden, probability: dropoutProbability, pass)
        return (pass.tape.joinedColumns(second(pass.tape.groupSums(kept, weights: weights), pass), roots), hidden)
    }

    /// The first convolution, `ReLU(A X W1 + b1)`, at the nodes that have children.
    ///
    /// - Returns: [trees * (1 + children), hidden], the root of a tree first; and the root's row of A, [trees, 1 + children].
    package func hidden(_ x: Tensor, trees: [Int], _ tree: TreeAggregation, _ pass: ForwardPass) -> (rows: Tensor, weights: Tensor) {
        let count = trees.count / tree.nodes
        let sums = Tensor(rows: count * tree.inner, columns: x.columns, requiresGradient: false)
        let weights = Tensor(rows: count, columns: tree.inner, requiresGradient: false)
        if !Rehearsal.isRunning {
            tree(x.values, rows: x.rows, channels: x.columns, trees: trees, sums: sums.values, weights: weights.values)
        }
        return (pass.tape.relu(first(sums, pass)), weights)
    }
}

/// P-GCN's network over trees of proposals (Zeng et al., ICCV 2019; parameters named as in the published `pgcn_models.py`).
package final class PGCNNetwork: Module {
    /// What the network says of the roots.
    package struct Outputs {
        /// [trees, classes + 1], logits, the first of the background.
        package var activity: Tensor
        /// [trees, classes].
        package var completeness: Tensor
        /// [trees, 2 classes], standardised: how far the centre is to be moved, and the logarithm of how much longer.
        package var offsets: Tensor
        /// [trees, 1] each, logits: tIoU and, with two branches, tND of the moved proposal with its action; empty without ALQA.
        package var quality: [Tensor]
        /// [trees * (1 + children), hidden]: of the activities, between both convolutions; nil where no tape records.
        package var hidden: Tensor?

        package init(activity: Tensor, completeness: Tensor, offsets: Tensor, quality: [Tensor] = [], hidden: Tensor? = nil) {
            self.activity = activity
            self.completeness = completeness
            self.offsets = offsets
            self.quality = quality
            self.hidden = hidden
        }

        /// What losses are made of.
        package var tensors: [Tensor] { [activity, completeness, offsets] + quality }
    }

    private let tree: TreeAggregation
    private let headDropout: Float
    private let activity: TreeConvolutions
    private let completeness: TreeConvolutions
    private let activityHead: GraphLinear
    private let completenessHead: GraphLinear
    private let offsetHead: GraphLinear
    /// ALQA's.
    private let qualityHeads: [(name: String, head: GraphLinear)]
    /// ALQA's branches.
    var qualityCount: Int { qualityHeads.count }

    package init(_ settings: PGCNSettings) {
        let columns = settings.inputDimension, classes = settings.classes
        tree = TreeAggregation(children: settings.graph.children)
        headDropout = settings.headDropout
        activity = TreeConvolutions(columns, hidden: settings.hiddenDimension, dropout: settings.graphDropout)
        completeness = TreeConvolutions(3 * columns, hidden: settings.hiddenDimension, dropout: settings.graphDropout)
        activityHead = .head(2 * columns, classes + 1)
        completenessHead = .head(6 * columns, classes)
        offsetHead = .head(6 * columns, 2 * classes)
        let names: [String] =
            switch settings.options.quality.branches {
            case .none: []
            case .tiou, .diou: ["tiou_fc"]
            case .tiouTND: ["tiou_fc", "tnd_fc"]
            }
        qualityHeads = names.map { ($0, .head(6 * columns, 1)) }
    }

    package func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("Act_GCN", activity)
        visitor.visit("activity_fc", activityHead)
        visitor.visit("Comp_GCN", completeness)
        visitor.visit("completeness_fc", completenessHead)
        visitor.visit("regressor_fc", offsetHead)
        for (name, head) in qualityHeads { visitor.visit(name, head) }
    }

    /// - Parameters:
    ///   - features: of the proposals.
    ///   - trees: their rows, tree by tree.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    package func callAsFunction(_ features: ProposalFeatures, trees: [Int], _ pass: ForwardPass) -> Outputs {
        let (active, hidden) = activity(features.activity, trees: trees, tree, pass)
        let logits = activityHead(dropout(active, probability: headDropout, pass), pass)
        let complete = completeness(features.completeness, trees: trees, tree, pass).joined
        return Outputs(
            activity: logits, completeness: completenessHead(complete, pass), offsets: offsetHead(complete, pass),
            quality: qualityHeads.map { $0.head(complete, pass) }, hidden: pass.tape.isRecording ? hidden : nil)
    }

    /// The hidden rows of the roots, [trees, hidden], of activities.
    package func hiddenRoots(_ features: ProposalFeatures, trees: [Int], _ pass: ForwardPass) -> Tensor {
        roots(of: activity.hidden(features.activity, trees: trees, tree, pass).rows, pass)
    }

    /// - Parameter hidden: of outputs.
    /// - Returns: [trees, hidden].
    package func roots(of hidden: Tensor, _ pass: ForwardPass) -> Tensor {
        pass.tape.rowMeans(hidden, groups: (0..<hidden.rows / tree.inner).map { [$0 * tree.inner] })
    }
}
