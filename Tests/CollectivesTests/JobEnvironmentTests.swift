import Collectives
import Diagnostics
import XCTest

final class JobEnvironmentTests: XCTestCase {
    func testHostsOfAJob() {
        let file = { (path: String) -> String? in path == "/nodes" ? "n1\nn1\nn2\nn3\n" : nil }
        for (environment, expected) in [
            ([:], nil), (["SLURM_JOB_NUM_NODES": "4", "SLURM_NNODES": "2"], 4), (["SLURM_NNODES": "2"], 2), (["PBS_NODEFILE": "/nodes"], 3),
            (["PBS_NODEFILE": "/gone"], nil), (["LSB_MCPU_HOSTS": "a 4 b 4"], 2), (["SLURM_NNODES": "many"], nil),
        ] as [([String: String], Int?)] { XCTAssertEqual(JobEnvironment(environment, nodeFile: file).hosts, expected, "\(environment)") }
    }

    func testIdleHosts() {
        let job = JobEnvironment(["SLURM_JOB_NUM_NODES": "2"])
        XCTAssertEqual(
            job.idleHostsWarning(ranks: 1, hosts: 1, hostName: "n1"),
            "warning: the job has 2 hosts, but this run is one rank alone ('n1'): "
                + "start with srun --mpi=pmix, or with an mpirun that knows the batch system or is given --hostfile")
        XCTAssertEqual(
            job.idleHostsWarning(ranks: 8, hosts: 1, hostName: "n1"),
            "warning: the job has 2 hosts, but all 8 ranks run on one of them ('n1'): "
                + "start with srun --mpi=pmix, or with an mpirun that knows the batch system or is given --hostfile")
        XCTAssertEqual(
            JobEnvironment(["SLURM_NNODES": "4"]).idleHostsWarning(ranks: 8, hosts: 2, hostName: "n1"),
            "warning: the job has 4 hosts, but all 8 ranks run on 2 of them: "
                + "start with srun --mpi=pmix, or with an mpirun that knows the batch system or is given --hostfile")
        XCTAssertNil(job.idleHostsWarning(ranks: 8, hosts: 2, hostName: "n1"))
        XCTAssertNil(JobEnvironment([:]).idleHostsWarning(ranks: 1, hosts: 1, hostName: "n1"))
    }

    func testWorldsOfOne() {
        let message = "4 processes were started together, but MPI finds this one alone"
        for environment in [["PMI_SIZE": "4"], ["SLURM_STEP_NUM_TASKS": "4"]] {
            XCTAssertThrowsError(try JobEnvironment(environment).requireOneWorld(ranks: 1)) {
                XCTAssertEqual(($0 as? Failure)?.what, message)
                XCTAssertEqual(($0 as? Failure)?.kind, .wrongUsage)
            }
            XCTAssertNoThrow(try JobEnvironment(environment).requireOneWorld(ranks: 4))
        }
        XCTAssertNoThrow(try JobEnvironment(["SLURM_STEP_NUM_TASKS": "4", "OMPI_COMM_WORLD_SIZE": "1"]).requireOneWorld(ranks: 1))
        XCTAssertNoThrow(try JobEnvironment(["SLURM_STEP_NUM_TASKS": "1"]).requireOneWorld(ranks: 1))
    }
}
