/**
 * deploy/kubernetes, without a cluster: what kustomize makes of it is what Kubernetes knows, its parts name each other right, and
 * the settings in it are Tally's.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";
import { KEYS, loadConfig, variableOf } from "../../src/config.ts";
import { ROOT, serve } from "../cli/process/tally.ts";
import { authority } from "../support/certificates.ts";
import { describeWith, program } from "../support/needs.ts";

const KUSTOMIZE = program("kustomize", {
  args: ["version"],
  install: "go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1",
});
const VALIDATE = program("kubernetes-validate", { install: "python3 -m pip install kubernetes-validate" });
/** The oldest that has all of it without a switch, and the newest that is known. */
const KUBERNETES = ["1.34", "1.37"];
const FOLDERS = ["sqlite", "postgres", "monitoring"] as const;

// biome-ignore lint/suspicious/noExplicitAny: Kubernetes' own shapes, which kubernetes-validate judges.
type Resource = any;

describeWith([KUSTOMIZE, VALIDATE], "the manifests", () => {
  const rendered = (folder: string) =>
    execFileSync("kustomize", ["build", join(ROOT, "deploy/kubernetes", folder)], { encoding: "utf8" });
  const validated = (text: string, version: string) => {
    const path = join(folder(), "rendered.yaml");
    writeFileSync(path, text);
    return spawnSync("kubernetes-validate", ["--strict", "--kubernetes-version", version, path], {
      encoding: "utf8",
    });
  };
  const resources = (folder: string): Resource[] =>
    parseAllDocuments(rendered(folder)).map((each) => each.toJS());
  const of = (all: Resource[], kind: string): Resource => all.find((each) => each.kind === kind);

  it.for(FOLDERS.flatMap((folder) => KUBERNETES.map((version) => [folder, version] as const)))(
    "are what Kubernetes knows, field by field (%s, %s)",
    ([folder, version]) => {
      const text = rendered(folder);
      const { status, stdout, stderr } = validated(text, version);
      const said = (stdout + stderr).trim().split("\n");
      expect({ status, said }).toMatchObject({ status: 0 });
      const unknown = said.filter((line) => !/^INFO .* passed for resource/.test(line));
      // The operator's own kind, whose schema is not Kubernetes'.
      expect(
        unknown.filter((line) => !line.includes("Couldn't find schema for kind ServiceMonitor")),
      ).toEqual([]);
    },
  );

  it("would not be with a field that is misspelt", () => {
    const text = rendered("sqlite").replace("readinessProbe:", "readynessProbe:");
    expect(validated(text, KUBERNETES[1]!).status).not.toBe(0);
  });

  describe.each(["sqlite", "postgres"])("of %s", (which) => {
    const workload = (all: Resource[]) => of(all, "StatefulSet") ?? of(all, "Deployment");

    it("name each other right", () => {
      const all = resources(which);
      const { metadata, spec } = workload(all).spec.template;
      const [container] = spec.containers;
      for (const each of all.filter(({ spec }) => spec?.selector ?? spec?.podSelector)) {
        const { selector, podSelector } = each.spec;
        const { matchLabels = selector } = selector ?? podSelector;
        expect(metadata.labels, each.kind).toMatchObject(matchLabels);
      }
      const ports = container.ports.map(({ name }: Resource) => name);
      for (const { targetPort } of of(all, "Service").spec.ports) expect(ports).toContain(targetPort);
      for (const { ports: allowed } of of(all, "NetworkPolicy").spec.ingress)
        for (const { port } of allowed) expect(ports).toContain(port);
      expect(spec.serviceAccountName).toBe(of(all, "ServiceAccount").metadata.name);
      const volumes = [
        ...(spec.volumes ?? []),
        ...(workload(all).spec.volumeClaimTemplates ?? []).map(({ metadata }: Resource) => metadata),
      ];
      expect(volumes.map(({ name }) => name).sort()).toEqual(
        container.volumeMounts.map(({ name }: Resource) => name).sort(),
      );
      expect(spec.volumes.find(({ name }: Resource) => name === "config").configMap.name).toBe(
        of(all, "ConfigMap").metadata.name,
      );
      const scaled = of(all, "HorizontalPodAutoscaler")?.spec.scaleTargetRef ?? {
        kind: "StatefulSet",
        name: "tally",
      };
      expect(of(all, scaled.kind).metadata.name).toBe(scaled.name);
      const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      expect(container.image).toBe(`registry.example/tally:${version}`);
    });

    it("shut in what they start", () => {
      const { spec } = workload(resources(which)).spec.template;
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65_532,
          seccompProfile: { type: "RuntimeDefault" },
        },
      });
      expect(spec.containers).toMatchObject([
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          resources: {
            requests: { cpu: expect.anything(), memory: expect.anything() },
            limits: { memory: expect.anything() },
          },
        },
      ]);
      expect(readFileSync(join(ROOT, "deploy/container/Containerfile"), "utf8")).toContain(
        "USER 65532:65532",
      );
    });

    it("have settings that Tally has, and times that fit each other", () => {
      const all = resources(which);
      const { spec } = workload(all).spec.template;
      const [container] = spec.containers;
      const { config, metrics } = settingsOf(all, container);
      const port = (name: string) =>
        container.ports.find((each: Resource) => each.name === name).containerPort;
      expect([config.listen.port, metrics!.port]).toEqual([port("api"), port("metrics")]);
      for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"])
        expect(container[probe].httpGet.port).toBe("metrics");
      const preStopMs = container.lifecycle.preStop.sleep.seconds * 1_000;
      expect(spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThanOrEqual(
        preStopMs + config.drainGraceMs + 20_000,
      );
      expect(config.grpcAgeMs).toBe(1_800_000);
      expect(config.auth).toBe("required");
      const mounts = container.volumeMounts.map(({ mountPath }: Resource) => mountPath);
      for (const path of [config.rootKeyFile, config.tlsCertFile, config.tlsKeyFile, container.args.at(-1)])
        expect(
          mounts.some((mount: string) => path.startsWith(`${mount}/`)),
          path,
        ).toBe(true);
    });

    it("start a server whose probes are answered where they ask", async () => {
      const all = resources(which);
      const [container] = workload(all).spec.template.spec.containers;
      using made = authority();
      const { certFile, keyFile } = made.issue();
      const root = join(made.folder, "root.key");
      writeFileSync(root, "a-root-key-of-thirty-two-characters-and-more\n");
      const path = join(folder(), "tally.toml");
      const text = of(all, "ConfigMap").data["tally.toml"].replaceAll("/etc/tally/keys/root.key", root);
      writeFileSync(
        path,
        text.replaceAll("/etc/tally/tls/tls.crt", certFile).replaceAll("/etc/tally/tls/tls.key", keyFile),
      );
      const server = serve(["--config", path, "--metrics-listen", "127.0.0.1:0"]);
      const ready = await server.logged("server.ready");
      for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
        const { status } = await fetch(`http://${ready.metrics_address}${container[probe].httpGet.path}`);
        expect(status, probe).toBe(200);
      }
      server.child.kill("SIGTERM");
      expect(await server.ended).toMatchObject({ code: 0 });
    });
  });

  it("never have two processes on SQLite's files, nor one too few on PostgreSQL", () => {
    const { spec } = of(resources("sqlite"), "StatefulSet");
    expect(spec.replicas).toBe(1);
    expect(spec.volumeClaimTemplates[0].spec.accessModes).toEqual(["ReadWriteOncePod"]);
    const all = resources("postgres");
    expect(of(all, "Deployment").spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
    expect(of(all, "HorizontalPodAutoscaler").spec.minReplicas).toBeGreaterThan(
      of(all, "PodDisruptionBudget").spec.maxUnavailable,
    );
  });

  it("have the operator's Prometheus scrape the port that serves /metrics", () => {
    const [monitor] = resources("monitoring");
    const service = of(resources("sqlite"), "Service");
    expect(service.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
    const ports = service.spec.ports.map(({ name }: Resource) => name);
    for (const { port, path } of monitor.spec.endpoints)
      expect([ports.includes(port), path]).toEqual([true, "/metrics"]);
    expect(monitor.metadata.namespace).toBe(service.metadata.namespace);
  });
});

/** What a process in the pod would have for settings: the file, and the environment. */
function settingsOf(all: Resource[], container: Resource) {
  const path = join(folder(), "tally.toml");
  writeFileSync(path, all.find((each) => each.kind === "ConfigMap").data["tally.toml"]);
  const known = Object.values(KEYS).map(({ name }) => variableOf(name));
  for (const { name } of container.env.filter(({ name }: Resource) => name.startsWith("TALLY_")))
    expect(known).toContain(name);
  const env = Object.fromEntries(
    container.env.map(({ name, value = "postgres://user@host/db" }: Resource) => [name, value]),
  );
  const { config, warnings } = loadConfig({ flags: { config: path }, env });
  expect(warnings).toEqual([]);
  return { config, metrics: config.metricsListen };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-kubernetes-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
