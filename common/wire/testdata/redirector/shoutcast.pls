[playlist]
NumberOfEntries=2
File2=http://192.0.2.2:8000/live.mp3
Title2=Two
Length2=-1
file1=http://192.0.2.1:8000/live.mp3
Title1=One = first
Version=2
