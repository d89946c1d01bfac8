/** The files of bridge/ops: whether they can be parsed, and whether they fit the bridge and each other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments, parse as parseYaml } from 'yaml'
import { createBridge } from '../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'
import { BRIDGE_SETTINGS } from '../../bridge/cli/settings/bridge-settings.ts'
import { closeReasons } from '../../bridge/session/close-reason.ts'
import { root } from './source-files.ts'

const read = (name: string) => readFileSync(join(root, 'bridge/ops', name), 'utf8')

/** Variables that `spanwire bridge` reads. */
const VARIABLES = Object.values(BRIDGE_SETTINGS).flatMap(({ variable, isFile }) =>
  variable === undefined ? [] : isFile ? [variable, `${variable}_FILE`] : [variable],
)
const unknown = (names: readonly string[]) => names.filter((name) => ![...VARIABLES, 'NODE_ENV'].includes(name))

/** In ms. */
const seconds = (text: string) => Number(text.replace(/s$/, '')) * 1_000

async function metricNames(): Promise<string[]> {
  const upstream = createEmbeddedUpstream()
  const key = 'a-monitoring-key-of-32-characters'
  const bridge = createBridge({
    upstream,
    auth: { secret: 'a secret of at least thirty-two bytes' },
    monitoring: { key },
  })
  const response = await bridge.app.request('/metrics', { headers: { Authorization: `Bearer ${key}` } })
  bridge.close()
  await upstream.close()
  return [...(await response.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)
}

/** Names of metrics and close reasons in expressions of Prometheus. */
const metricsOf = (expressions: readonly string[]) =>
  [...new Set(expressions.flatMap((text) => text.match(/\bspanwire_\w+/g) ?? []))].sort()
const reasonsOf = (expressions: readonly string[]) =>
  expressions.flatMap((text) => [...text.matchAll(/reason="([^"]*)"/g)].map(([, reason = '']) => reason))

describe('metrics', () => {
  const { panels } = JSON.parse(read('grafana/dashboard.json')) as {
    panels: Array<{ id: number; title: string; targets?: Array<{ expr: string }>; gridPos: { x: number; w: number } }>
  }
  const shown = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const { groups } = parseYaml(read('alerts.yaml')) as {
    groups: Array<{ rules: Array<{ alert: string; expr: string; annotations: Record<string, string> }> }>
  }
  const rules = groups.flatMap((group) => group.rules)

  it('the dashboard shows each metric of the bridge', async () => {
    expect(metricsOf(shown)).toEqual((await metricNames()).sort())
  })

  it('the dashboard has distinct panels inside its 24 columns', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([])
  })

  it('alert rules use metrics and close reasons of the bridge, and name a remedy', async () => {
    const names = await metricNames()
    const expressions = rules.map(({ expr }) => expr)
    expect(metricsOf(expressions).filter((name) => !names.includes(name))).toEqual([])
    const texts: string[] = Object.values(closeReasons).map(({ text }) => text)
    expect(reasonsOf(expressions).length).toBeGreaterThan(2)
    expect(reasonsOf(expressions).filter((reason) => !texts.includes(reason))).toEqual([])
    for (const { alert, annotations } of rules) expect(annotations, alert).toHaveProperty('remedy')
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  })

  it('Prometheus scrapes the bridge of compose.yaml, with its key and the rules', () => {
    const config = parseYaml(read('prometheus.yaml'))
    const compose = parseYaml(read('compose.yaml'))
    const [scrape] = config.scrape_configs
    expect(scrape).toMatchObject({ job_name: 'spanwire', metrics_path: '/metrics' })
    expect(scrape.static_configs[0].targets).toEqual(['bridge:8080'])
    expect(scrape.authorization.credentials_file).toBe(compose.services.bridge.environment.MONITORING_KEY_FILE)
    expect(config.rule_files).toEqual(['alerts.yaml'])
    expect(rules.find(({ expr }) => expr.startsWith('up'))?.expr).toContain(`job="${scrape.job_name}"`)
  })
})

it('compose.yaml has only variables of the bridge, files that exist, and time to drain', () => {
  const { services, secrets, volumes } = parseYaml(read('compose.yaml'))
  const { environment, stop_grace_period, secrets: used, build } = services.bridge
  expect(unknown(Object.keys(environment))).toEqual([])
  expect(seconds(stop_grace_period)).toBeGreaterThan(Number(environment.DRAIN_PATIENCE))
  expect(used).toEqual(Object.keys(secrets))
  for (const name of used) expect(Object.values(environment)).toContain(`/run/secrets/${name}`)
  expect(environment.UPSTREAM_URL).toBe('nats://nats:4222')
  expect(services.nats.volumes[0].split(':')[0]).toBe(Object.keys(volumes)[0])
  const mounted = Object.values<{ volumes?: string[] }>(services).flatMap(({ volumes: list = [] }) => list)
  const prefix = /^(?:\.\/)?node_modules\/spanwire\/bridge\/ops\//
  const files = [build.dockerfile, ...mounted.map((text) => text.split(':')[0])].filter((path) => prefix.test(path))
  expect(files).toHaveLength(6)
  for (const path of files) expect(read(path.replace(prefix, ''))).not.toBe('')
})

it('grafana/ provisions the Prometheus and the folder of compose.yaml', () => {
  const { services } = parseYaml(read('compose.yaml'))
  const { datasources } = parseYaml(read('grafana/datasources.yaml'))
  const { providers } = parseYaml(read('grafana/dashboards.yaml'))
  expect(Object.keys(services)).toContain(new URL(datasources[0].url).hostname)
  expect(services.grafana.volumes.some((text: string) => text.includes(`:${providers[0].options.path}/`))).toBe(true)
})

it('kubernetes.yaml has probes, time to drain, and a rolling update that never lacks a bridge', () => {
  const documents = parseAllDocuments(read('kubernetes.yaml'))
  expect(documents.flatMap(({ errors }) => errors)).toEqual([])
  const [deployment, service, budget] = documents.map((document) => document.toJS())
  expect([deployment.kind, service.kind, budget.kind]).toEqual(['Deployment', 'Service', 'PodDisruptionBudget'])
  const { template, selector, strategy } = deployment.spec
  const { labels } = template.metadata
  for (const selected of [selector.matchLabels, service.spec.selector, budget.spec.selector.matchLabels])
    expect(selected).toEqual(labels)
  const [container] = template.spec.containers
  const env = new Map<string, string>(
    container.env.map((one: { name: string; value: string }) => [one.name, one.value]),
  )
  expect(unknown([...env.keys()])).toEqual([])
  const pause = container.lifecycle.preStop.sleep.seconds * 1_000
  const grace = template.spec.terminationGracePeriodSeconds * 1_000
  expect(grace).toBeGreaterThan(pause + Number(env.get('DRAIN_PATIENCE')))
  expect(strategy.rollingUpdate.maxUnavailable).toBe(0)
  expect(container.readinessProbe.httpGet.path).toBe('/healthz')
  // While NATS is unreachable, /healthz responds with 503, and a restart would close all clients.
  expect(container.livenessProbe).not.toHaveProperty('httpGet')
  const [port] = container.ports
  expect(read('Dockerfile')).toContain(`EXPOSE ${port.containerPort}`)
  for (const named of [container.livenessProbe.tcpSocket.port, container.readinessProbe.httpGet.port])
    expect(named).toBe(port.name)
  expect(service.spec.ports[0].targetPort).toBe(port.name)
  const [mount] = container.volumeMounts
  for (const name of ['AUTH_SECRET_FILE', 'MONITORING_KEY_FILE']) expect(env.get(name)).toContain(`${mount.mountPath}/`)
  expect(template.spec.volumes[0].name).toBe(mount.name)
})

it('fly.toml has a check, time to drain, and the port of the image', () => {
  const config = parseToml(read('fly.toml')) as {
    kill_timeout: string
    env: Record<string, string>
    http_service: { internal_port: number; checks: Array<{ path: string }>; auto_stop_machines: string }
  }
  expect(unknown(Object.keys(config.env))).toEqual([])
  expect(seconds(config.kill_timeout)).toBeGreaterThan(Number(config.env.DRAIN_PATIENCE))
  expect(config.http_service.checks.map(({ path }) => path)).toEqual(['/healthz'])
  expect(config.http_service.auto_stop_machines).toBe('off')
  expect(read('Dockerfile')).toContain(`EXPOSE ${config.http_service.internal_port}`)
})

it('the systemd unit has only variables of the bridge, its credentials, and time to drain', () => {
  const lines = read('spanwire-bridge.service')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(lines.filter((line) => /^\[\w+\]$/.test(line))).toEqual(['[Unit]', '[Service]', '[Install]'])
  expect(lines.filter((line) => !/^(\[\w+\]|[A-Z]\w+=.*)$/.test(line))).toEqual([])
  const values = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))
  const env = new Map(
    values('Environment').flatMap((line) => line.split(' ').map((pair) => pair.split('=', 2) as [string, string])),
  )
  expect(unknown([...env.keys()])).toEqual([])
  expect(Number(values('TimeoutStopSec')[0]) * 1_000).toBeGreaterThan(Number(env.get('DRAIN_PATIENCE')))
  const credentials = values('LoadCredential').map((text) => `%d/${text.split(':')[0]}`)
  expect(credentials).toEqual([env.get('AUTH_SECRET_FILE'), env.get('MONITORING_KEY_FILE')])
})
