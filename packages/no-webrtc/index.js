// Starling's swarm speaks TCP only; webtorrent asks for these names and copes with their absence.
export const RTCPeerConnection = undefined;
export const RTCSessionDescription = undefined;
export const RTCIceCandidate = undefined;
export default {};
