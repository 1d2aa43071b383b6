/// What a message costs.
public struct NetworkLink: Equatable, Sendable {
    /// Seconds per message.
    public var alpha: Double
    /// Seconds per byte.
    public var beta: Double

    public init(alpha: Double, beta: Double) {
        self.alpha = alpha
        self.beta = beta
    }
}

/// A cluster that a run is planned for: hosts that each hold equally many ranks, each rank with cores of its own.
public struct PlannedCluster: Equatable, Sendable {
    public var ranksPerHost: Int
    /// Between ranks of a host.
    public var within: NetworkLink
    /// Between hosts; the ranks of a host share its bandwidth.
    public var between: NetworkLink

    public init(ranksPerHost: Int, within: NetworkLink, between: NetworkLink) {
        self.ranksPerHost = ranksPerHost
        self.within = within
        self.between = between
    }

    /// For every rank the number of its host; ranks fill one host after another.
    func hosts(ranks: Int) -> [Int] { (0..<ranks).map { $0 / ranksPerHost } }

    /// A message that ranks of several hosts exchange, where there are several hosts.
    func link(ranks: Int) -> NetworkLink { ranks > ranksPerHost ? between : within }

    /// A collective call of few bytes: up a binary tree and down again.
    func collective(ranks: Int) -> Double {
        guard ranks > 1 else { return 0 }
        let rounds = (ranks - 1).bitWidth - (ranks - 1).leadingZeroBitCount
        return 2 * Double(rounds) * link(ranks: ranks).alpha
    }
}
