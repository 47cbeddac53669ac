// Package comfyui is the route "comfyui": it leads a request to one of the
// team's own ComfyUI servers, or, where none of them is available and the team
// wants it so, to Comfy Cloud. It picks; deciding, recording, signing and
// dialling are the road's, as for every other request.
//
// What a prompt brings about is on the server that it was submitted to: its
// history, its pictures, its messages. So the package remembers where that was,
// by the id of the prompt and by that of the client, and keeps it in a file so
// that it is known after a restart.
package comfyui
