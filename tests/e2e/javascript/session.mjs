// Speak to a cluster with @kubernetes/client-node, unmodified, and print as one JSON object what was seen.
// Arguments: kubeconfig, a namespace of one's own, the namespace in which the pod `talker` runs.

import net from 'node:net';
import stream from 'node:stream';
import { once } from 'node:events';
import * as k8s from '@kubernetes/client-node';

const [kubeconfig, namespace, talkers] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const seen = {};

function page(name, data) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
}

function patched(body, type, more = {}) {
  const asked = { name: 'page', namespace, body, ...more };
  return core.patchNamespacedConfigMap(asked, k8s.setHeaderOptions('Content-Type', type));
}

async function write() {
  const made = await core.createNamespacedConfigMap({ namespace, body: page('page', { a: '1' }) });
  made.data.b = '2';
  await core.replaceNamespacedConfigMap({ name: 'page', namespace, body: made });
  await patched({ data: { c: '3' } }, k8s.PatchStrategy.StrategicMergePatch);
  await patched({ data: { c: null } }, k8s.PatchStrategy.MergePatch);
  await patched([{ op: 'remove', path: '/data/a' }], k8s.PatchStrategy.JsonPatch);
  const applied = { fieldManager: 'me', force: true };
  const found = await patched(page('page', { d: '4' }), k8s.PatchStrategy.ServerSideApply, applied);
  seen.data = found.data;
  await core.deleteNamespacedConfigMap({ name: 'page', namespace });
}

async function pages() {
  const names = [];
  let _continue;
  for (const number of [0, 1, 2]) {
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: `secret-${number}` } } });
  }
  do {
    const listed = await core.listNamespacedSecret({ namespace, limit: 2, _continue });
    names.push(...listed.items.map((item) => item.metadata.name));
    _continue = listed.metadata._continue;
  } while (_continue);
  seen.names = names;
}

async function refusals() {
  const told = [];
  for (const ask of [
    () => core.readNamespacedPod({ name: 'nosuch', namespace }),
    () => core.createNamespacedSecret({ namespace, body: { metadata: { name: 'secret-0' } } }),
    () => core.createNamespacedSecret({ namespace, body: { metadata: { name: 'Not A Name' } } }),
  ]) {
    await ask().catch((error) => {
      if (!(error instanceof k8s.ApiException)) throw error;
      told.push([error.code, JSON.parse(error.body).reason]);
    });
  }
  seen.refusals = told;
}

async function informer() {
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'watched=yes' });
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const watching = k8s.makeInformer(config, path, list, 'watched=yes');
  const told = [];
  const over = new Promise((resolve, reject) => {
    watching.on('add', (obj) => told.push(['add', obj.metadata.name]));
    watching.on('update', (obj) => told.push(['update', obj.data.a]));
    watching.on('delete', (obj) => { told.push(['delete', obj.metadata.name]); resolve(); });
    watching.on('error', reject);
  });
  await watching.start();
  const body = page('watched', { a: '1' });
  body.metadata.labels = { watched: 'yes' };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  made.data.a = '2';
  await core.replaceNamespacedConfigMap({ name: 'watched', namespace, body: made });
  await core.deleteNamespacedConfigMap({ name: 'watched', namespace });
  await over;
  await watching.stop();
  seen.told = told;
}

class Text extends stream.Writable {
  text = '';
  _write(chunk, _encoding, done) { this.text += chunk; done(); }
}

async function run(command, input) {
  const out = new Text();
  const status = await new Promise((resolve, reject) => {
    const stdin = input === undefined ? null : stream.Readable.from([input]);
    new k8s.Exec(config).exec(talkers, 'talker', 'main', command, out, new Text(), stdin, false, resolve).catch(reject);
  });
  return [out.text, status.status, status.reason ?? ''];
}

async function forwarded() {
  const forward = new k8s.PortForward(config);
  const server = net.createServer((socket) => forward.portForward(talkers, 'talker', [9000], socket, null, socket));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = net.connect(server.address().port, '127.0.0.1');
  socket.write('word word');
  const [data] = await once(socket, 'data');
  socket.destroy();
  server.close();
  return data.toString();
}

await write();
await pages();
await refusals();
await informer();
seen.log = await core.readNamespacedPodLog({ name: 'talker', namespace: talkers });
seen.ran = await run(['/bin/cat'], 'through');
seen.failed = await run(['/bin/sh', '-c', 'exit 7']);
seen.forwarded = await forwarded();
console.log(JSON.stringify(seen));
process.exit(0);
