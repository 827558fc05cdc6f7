/* global self, caches, fetch, Response, URL */
// Keeps every file of this page that has been loaded: those in assets have a hash in their names and never change, the page
// itself is fetched anew where there is a network. What else there is, such as checkpoints or a run that trains, is not kept.
const name = 'playground-1';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

async function answer(request) {
  const cache = await caches.open(name);
  const kept = await cache.match(request);
  if (kept && request.mode !== 'navigate') return kept;
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    return kept ?? new Response(String(error), { status: 504 });
  }
}

self.addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  const own =
    origin === self.location.origin && (mode === 'navigate' || pathname.endsWith('/') || pathname.includes('/assets/'));
  if (method === 'GET' && own) event.respondWith(answer(event.request));
});
